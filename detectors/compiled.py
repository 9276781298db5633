"""The compiler of the models' inner loops."""

from __future__ import annotations

from typing import Any

import numba


def njit(function: Any) -> Any:
    """Compile a function at its first call, and keep the result on disk.

    What is kept is made anew when the function's own file changes, and only then: it calls none of another file.
    """
    return numba.njit(cache=True, nogil=True)(function)
