"""The smallest change of what a team has set that would have caught something."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from msgspec.structs import replace

from detectors.watch.settings import SPANS, Settings
from streams.kpis.grid import HOUR_MS

MOST_PAIRS = 60
"""Pairs of changes that are tried, the smallest first."""
_LESS = (0.75, 0.5, 0.35, 0.25, 0.15, 0.1)
_MORE = (1.25, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
_PROTECT = (0.8, 0.65, 0.5, 1.5, 2.0, 3.0)


class Change(NamedTuple):
    """One setting to another value. ``size`` is how much that is: the natural logarithm of by what factor, whichever
    way."""

    size: float
    name: str
    value: float


def changes(settings: Settings, per_week: float) -> list[Change]:
    """Single changes worth a try, the smallest first: those that let more through, and either way where it is not known
    which way that is. ``per_week`` is how often one is told of the KPI as it is; values are round."""
    found = [_change("per_week", per_week, _round(per_week * factor)) for factor in _MORE]
    found += [_change("least_cases", settings.least_cases, _round(settings.least_cases * factor)) for factor in _LESS]
    found += [_change("least_change", settings.least_change, _round(settings.least_change * by)) for by in _LESS]
    hours = sorted({max(1, round(settings.cool_down * factor / HOUR_MS)) for factor in _LESS})
    found += [_change("cool_down", settings.cool_down, hour * HOUR_MS) for hour in hours]
    found += [_change("longest", settings.longest, span) for span in SPANS]
    found += [_change("protect", settings.protect, max(1.0, _round(settings.protect * by))) for by in _PROTECT]
    return sorted({change for change in found if 0.0 < change.size < math.inf})


def _change(name: str, now: float, then: float) -> Change:
    return Change(abs(math.log(then / now)) if now > 0.0 and then > 0.0 else math.inf, name, then)


def _round(value: float) -> float:
    """Two digits, as people write it."""
    return float(f"{value:.2g}")


def changed(settings: Settings, several: Sequence[Change]) -> Settings:
    """The same with changes made."""
    return replace(settings, **plain(several))


def plain(several: Sequence[Change]) -> dict[str, object]:
    """As values of settings: whole numbers where those are."""
    return {one.name: int(one.value) if one.name in ("cool_down", "longest") else one.value for one in several}


def smallest(settings: Settings, per_week: float, catches: Callable[[Settings], bool]) -> tuple[Change, ...] | None:
    """The smallest change that ``catches`` says yes to: single ones first, by size, then pairs, by their sizes
    together, :data:`MOST_PAIRS` at the most. None where none does."""
    singles = changes(settings, per_week)
    for several in (*((one,) for one in singles), *_pairs(singles)):
        if catches(changed(settings, several)):
            return several
    return None


def _pairs(singles: Sequence[Change]) -> Iterator[tuple[Change, Change]]:
    # Every second step is fine enough for two at once.
    by_name = ([one for one in singles if one.name == name] for name in Settings.__struct_fields__)
    coarse = [one for several in by_name for one in several[1::2]]
    pairs = [(one, other) for one, other in combinations(coarse, 2) if one.name != other.name]
    pairs.sort(key=lambda pair: (pair[0].size + pair[1].size, pair))
    yield from pairs[:MOST_PAIRS]
