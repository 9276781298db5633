"""The model that fits a KPI's kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from detectors.models.counts import Counts
from detectors.models.durations import Durations
from detectors.models.expectation import Profile
from detectors.models.levels import Levels
from detectors.models.means import Means
from detectors.models.ratios import Ratios
from detectors.models.sums import Sums

KindModel = Counts | Sums | Ratios | Means | Durations | Levels
"""All of them tell their ``profile()``, which is a template for a sibling of the same kind and grain."""

_MODELS: dict[str, Callable[[int, str, Sequence[float] | Profile | None], KindModel]] = {
    "count": Counts,
    "sum": Sums,
    "mean": Means,
    "duration": Durations,
    "level": Levels,
}


def model_for(
    kind: str,
    grain: int,
    timezone: str = "UTC",
    template: Sequence[float] | Profile | None = None,
    share: bool | None = None,
) -> KindModel:
    """A fresh model for a series of a KPI of that kind (``count``, ``sum``, ``ratio``, ``mean``, ``duration``,
    ``level``).

    ``grain`` is the length of its readings in ms, ``timezone`` the business's, ``template`` what ``profile()`` of a
    sibling or of the total gave, ``share`` whether a ratio's numerator is part of its denominator (None: as seen).
    Raises ``ValueError`` for any other kind.
    """
    if kind == "ratio":
        return Ratios(grain, timezone, template, share)
    make = _MODELS.get(kind)
    if make is None:
        raise ValueError(f"no model for KPIs of kind {kind!r}: one of {', '.join(sorted([*_MODELS, 'ratio']))}")
    return make(grain, timezone, template)
