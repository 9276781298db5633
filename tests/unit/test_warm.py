"""What is compiled is compiled when Daybook is set up, not when it is first used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.unit.test_architecture import MODULES, ROOT, imports

PROGRAM = """
import importlib, sys
from numba.core.dispatcher import Dispatcher
from detectors.warm import warm
warm()
for name in sys.argv[1:]:
    for known in vars(importlib.import_module(name)).values():
        if isinstance(known, Dispatcher) and known.__module__ == name and not known.signatures:
            print(name, known.__name__)
"""

PLACES = """
import importlib, sys
from numba.core.dispatcher import Dispatcher
for name in sys.argv[1:]:
    for known in vars(importlib.import_module(name)).values():
        if isinstance(known, Dispatcher):
            print(known.stats.cache_path)
"""


def test_every_compiled_part_of_a_detector_is_compiled_ahead(tmp_path: Path) -> None:
    compiled = sorted(name for name in MODULES if "detectors.compiled" in imports(name))
    assert compiled
    # With nothing kept from before, as at an installation.
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, *compiled],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == ""
    assert list(tmp_path.rglob("*.nbi"))


def test_a_worker_looks_for_them_where_they_were_put() -> None:
    compiled = sorted(name for name in MODULES if "detectors.compiled" in imports(name))
    # Without a place of somebody's choice, as in a clone or an installation.
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}

    def places(*modules: str) -> list[str]:
        argv = [sys.executable, "-c", PLACES, *modules]
        found = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return sorted(set(found.stdout.split()))

    put = places(*compiled)
    assert put
    assert set(put) <= set(places("streams.runtime.app", *compiled))


def test_the_setup_compiles_all_there_is() -> None:
    recipe = (ROOT / "Makefile").read_text()
    for program in ("streams.kpis.warm", "detectors.warm"):
        assert f"$(BIN)/python -m {program}\n" in recipe
