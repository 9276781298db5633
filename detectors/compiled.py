"""The compiler of the models' inner loops. Its results are kept where the KPI core's are."""

from __future__ import annotations

from typing import Any

import numba

# For where results are kept: Numba has one place for a whole process, and what is compiled ahead must be found there
# whichever of the two is imported first.
import streams.kpis.compiled  # noqa: F401


def njit(function: Any) -> Any:
    """Compile a function at its first call, and keep the result on disk.

    What is kept is made anew when the function's own file changes, and only then: it calls none of another file.
    """
    return numba.njit(cache=True, nogil=True)(function)
