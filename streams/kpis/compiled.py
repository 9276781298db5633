"""The compiler of the core's inner loops, and where its results are kept.

Numba keys a cached function by its own file only, so a change in a function it calls would go unnoticed. Here the
cache's folder is named after the text of all compiled modules, and of this one for its options: a change in any of them
compiles all of them anew.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numba

_MODULES = (
    *("absolutes", "cells", "compiled", "duplicates", "entities", "fold", "names", "program", "rows", "sketch", "step"),
    *(
        "scan.book",
        "scan.contract",
        "scan.digest",
        "scan.gather",
        "scan.packed",
        "scan.record",
        "scan.spans",
        "scan.text",
    ),
    "scan.words",
)
_ELSEWHERE = ("events/timescan.py", "events/types.py")
"""What they are compiled from beside themselves."""


def _cache_folder() -> Path:
    here = Path(__file__).parent
    digest = blake2b(digest_size=8)
    for name in _MODULES:
        digest.update((here / f"{name.replace('.', '/')}.py").read_bytes())
    for name in _ELSEWHERE:
        digest.update((here.parent / name).read_bytes())
    return here / "__pycache__" / f"compiled-{digest.hexdigest()}"


if "NUMBA_CACHE_DIR" not in os.environ:
    setattr(numba.config, "CACHE_DIR", str(_cache_folder()))  # noqa: B010 - the attribute is made at run time


def njit(function: Any) -> Any:
    """Compile a function at its first call, and keep the result on disk."""
    return numba.njit(cache=True, nogil=True)(function)


def lean(function: Any) -> Any:
    """The same for functions that allocate nothing and return no array, which are called many times for each event.

    The references to arrays that go in are not counted, which costs several times what such a function does; one that
    allocates all the same does not compile.
    """
    options: dict[str, Any] = {"_nrt": False}  # not in Numba's annotations
    return numba.njit(cache=True, nogil=True, **options)(function)
