"""What ``deploy/Dockerfile`` builds, built here without an engine: by its own commands, in folders of a test."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.config import load_config
from streams.runtime.server import BrokerProcess
from tests.integration.conftest import free_port
from tests.support.image import ROOT, ignored, stages
from tests.support.programs import program, run

BUILD, FINAL = stages()
BUILT_WITHIN = 300.0
"""Seconds for each command of the build; the longest takes some twenty on a machine with nothing else to do."""


def said(process: subprocess.Popen[str], within: float = BUILT_WITHIN) -> str:
    """What a program has said when it has ended, and that well."""
    try:
        output, _ = process.communicate(timeout=within)
    finally:
        process.kill()
    assert process.returncode == 0, f"{process.args!r}\n{output[-4000:]}"
    return output


class Image:
    """The two stages' files below ``folder``, which others may read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.installed = folder / "daybook"
        self._places = {"/opt/daybook": self.installed, "/wheels": folder / "wheels", "/tmp": folder / "tmp"}

    def here(self, text: str) -> str:
        """A text of the Dockerfile's, with the places as they are here."""
        return re.sub("|".join(self._places), lambda found: str(self._places[found[0]]), text)

    def build(self) -> None:
        """The first stage."""
        source = self.folder / "src"
        for one in BUILD.all("COPY"):
            for name in one.value[:-1]:
                self._copy(ROOT / name, source / name)
        environment = self._environment(BUILD.environment()) | {"PIP_NO_COMPILE": "1"}  # nobody starts it often
        environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        for one in BUILD.all("RUN"):
            argv = ["sh", "-ec", self.here(one.value[0])]
            said(subprocess.Popen(argv, env=environment, cwd=source, stdout=-1, stderr=-2, text=True))

    def daybook(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """A command of Daybook's, begun as the last stage begins it."""
        entrypoint = self.folder / "daybook-entrypoint"
        entrypoint.write_text(self.here((ROOT / "deploy" / "entrypoint.sh").read_text()))
        return self.begun("sh", str(entrypoint), *words, **variables)

    def begun(self, *argv: str, **variables: str) -> subprocess.Popen[str]:
        """A program, with the last stage's environment, run by somebody who can write to ``tmp`` only."""
        environment = self._environment(FINAL.environment())
        environment["PATH"] = environment["PATH"].replace("$PATH", os.environ["PATH"])
        environment |= {"HOME": "/nonexistent", "TMPDIR": self.here("/tmp"), **variables}
        if os.geteuid() == 0:
            # Without capabilities, as under Compose, root may write no more than the files' modes allow.
            argv = (program("setpriv"), "--bounding-set=-all", "--inh-caps=-all", *argv)
        return subprocess.Popen(
            argv,
            env=environment,
            cwd=self.folder / "empty",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _environment(self, given: dict[str, str]) -> dict[str, str]:
        ours = ("DAYBOOK_", "NUMBA_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return kept | {name: self.here(value) for name, value in given.items()}

    def _copy(self, source: Path, target: Path) -> None:
        def left_out(folder: str, names: list[str]) -> set[str]:
            inside = Path(folder).relative_to(ROOT)
            return {name for name in names if ignored(str(inside / name))}

        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=left_out)
        else:
            shutil.copy(source, target)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Built once, then written to no more."""
    folder = tmp_path_factory.mktemp("image")
    for name in ("empty", "tmp"):
        (folder / name).mkdir()
    built = Image(folder)
    built.build()
    run("chmod", "-R", "a-w", built.installed, folder / "empty")
    yield built
    run("chmod", "-R", "u+w", built.installed)
    shutil.rmtree(built.installed)  # it is large


def test_it_has_what_the_project_needs_in_the_pinned_versions_and_no_more(image: Image) -> None:
    names = sorted(path.name for path in (image.folder / "wheels").iterdir())
    found = {re.sub(r"[-_.]+", "-", name.split("-")[0]).lower(): name.split("-")[1] for name in names}
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    pinned = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins.items()}
    assert found.pop("daybook") == FINAL.labels()["org.opencontainers.image.version"]
    assert {name: version for name, version in found.items() if pinned.get(name) != version} == {}
    assert {"faust-streaming", "numba", "river", "uvloop"} <= found.keys()
    assert not {"pytest", "mypy", "ruff", "check-jsonschema", "matplotlib"} & found.keys()
    assert not list((image.installed / "bin").glob("pip*"))


def test_commands_run_for_somebody_who_cannot_write(image: Image) -> None:
    assert "Begin with: daybook run" in said(image.daybook("--help"))
    told = said(image.daybook("config", "check"))
    assert f"{len(load_config(env={}).kpis)} KPIs" in told
    assert "data in /var/lib/daybook" in told


def test_nothing_is_compiled_again_in_a_worker(image: Image) -> None:
    said(image.daybook("--help"))  # links what the image has
    # In the order in which a worker imports it.
    source = "import streams.runtime.app, streams.kpis.warm as k, detectors.warm as d; k.warm(); d.warm()"
    told = said(image.begun("python", "-c", source, NUMBA_DEBUG_CACHE="1"))
    loaded = re.findall(r"data loaded from '([^']+)'", told)
    # Of the functions that Python calls; what they call is in them.
    assert {Path(path).name.split(".")[0] for path in loaded} >= {"gather", "fold", "ranks"}
    assert all(path.startswith(image.here(FINAL.environment()["NUMBA_CACHE_DIR"])) for path in loaded)
    assert "data saved to" not in told


def test_what_has_to_be_compiled_after_all_is_kept_beside(image: Image) -> None:
    said(image.daybook("--help"))
    compiled = Path(image.here(FINAL.environment()["NUMBA_CACHE_DIR"]))
    index = next(path for path in compiled.rglob("*.nbi") if "ranks._place" in path.name)
    assert index.is_symlink()
    # With other types than a detector's.
    source = "import numpy as np; from detectors.calibration import ranks; ranks._place(np.zeros(3, dtype='f4'), 1, 2)"
    again = [said(image.begun("python", "-c", source, NUMBA_DEBUG_CACHE="1")) for _ in range(2)]
    assert ["data saved to" in told for told in again] == [True, False]
    assert not index.is_symlink()


def test_a_worker_is_well_and_ends_when_asked_to(image: Image, embedded_broker: BrokerProcess, namespace: str) -> None:
    port = str(free_port())
    where = {"DAYBOOK_BOOTSTRAP": embedded_broker.bootstrap, "DAYBOOK_NAMESPACE": namespace}
    where |= {"DAYBOOK_EMBEDDED": "false", "DAYBOOK_METRICS_PORT": port}
    said(image.daybook("topics", "create", **where), 60)

    def well() -> bool:
        """What the engine finds when it asks."""
        asked = [word.replace(FINAL.last("EXPOSE")[0], port) for word in FINAL.last("HEALTHCHECK")[1:]]
        with image.begun(*asked) as process:
            process.communicate(timeout=30)
        return process.returncode == 0

    with image.daybook(*FINAL.last("CMD"), **where) as worker:
        try:
            deadline = time.monotonic() + 60
            while not well():
                assert worker.poll() is None, worker.communicate()[0]
                assert time.monotonic() < deadline
            worker.send_signal(signal.SIGTERM)
            assert "worker stopped" in said(worker, 25)
        finally:
            worker.kill()
    assert not well()
