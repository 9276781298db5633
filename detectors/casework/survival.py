"""How likely something has not come by then: from those like it that came, and from those that have not come yet.

Kaplan and Meier's estimator ("Nonparametric estimation from incomplete observations", 1958) counts what is still open
for as long as it has been; a narrow group with few members is drawn to the wider one it is part of.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SHRINK = 8.0
"""A group counts as much as the wider one when it has so many members."""


def still_open(lasted: F64, came: Flags, until: float) -> float:
    """The share of which nothing has come by ``until``; shapes (n,). ``came`` is False for what was still open after it
    had ``lasted``."""
    early = lasted <= until
    if came[early].all():
        # Nobody was lost sight of before.
        return 1.0 - float(np.count_nonzero(early)) / len(lasted)
    order = np.argsort(lasted[early], kind="stable")
    at_risk = len(lasted) - np.arange(len(order))
    steps = 1.0 - came[early][order] / at_risk
    return float(np.prod(steps))


def shrunk(groups: Sequence[Flags], lasted: F64, came: Flags, until: float, prior: float) -> float:
    """The same of the narrowest of several groups, each within the one before it; with none in it, ``prior``."""
    share = prior
    for group in groups:
        count = int(np.count_nonzero(group))
        if count:
            own = still_open(lasted[group], came[group], until)
            share = (SHRINK * share + count * own) / (SHRINK + count)
    return share
