"""What is shown of one KPI: its past, its slices side by side, one hour opened. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dashboards.console.incident_view import Clock
from dashboards.console.words import usual
from streams.kpis.grid import DAY_MS
from streams.kpis.units import human
from streams.kpis.values import KpiValue

RANGES = {"1d": DAY_MS, "7d": 7 * DAY_MS, "35d": 35 * DAY_MS}
POINTS = 48
MOST_SLICES = 12


class Shown(NamedTuple):
    """What somebody has chosen to see: a statistic, a slice, and how far back. ``at`` is the grain they opened, epoch
    ms; 0 for none."""

    stat: str
    slice: dict[str, str]
    range: str
    at: int = 0

    def query(self, **other: str) -> dict[str, str]:
        """As the query of an address, with some of it changed; a name given empty is left out."""
        at = str(self.at) if self.at else ""
        return {"stat": self.stat, "range": self.range, "at": at, **self.slice, **other}


class SliceRow(NamedTuple):
    """A slice beside the others."""

    name: str
    slice: dict[str, str]
    value: str
    expected: str
    strange: str
    trend: tuple[float | None, ...]


def chosen(query: Mapping[str, str], stats: Sequence[str], usual: str, dimensions: Sequence[tuple[str, ...]]) -> Shown:
    """What a query asks for; what makes no sense in it is passed over."""
    names = {name for several in dimensions for name in several}
    slice_ = {name: value[:200] for name, value in query.items() if name in names and value}
    if slice_ and tuple(sorted(slice_)) not in {tuple(sorted(several)) for several in dimensions}:
        slice_ = {}
    stat = query.get("stat", "")
    range_ = query.get("range", "")
    at = query.get("at", "")
    return Shown(
        stat if stat in stats else usual,
        slice_,
        range_ if range_ in RANGES else "7d",
        int(at) if at.isdecimal() and len(at) < 15 else 0,
    )


def newest(values: Sequence[KpiValue]) -> tuple[float | None, ...]:
    """The newest values of a series as a trend."""
    return tuple(value.value for value in values[-POINTS:])


def slice_row(values: Sequence[KpiValue], currency: str) -> SliceRow | None:
    """A slice by its values, by time; None where there are none."""
    if not values:
        return None
    last = values[-1]
    return SliceRow(
        name_of(last.slice),
        last.slice,
        human(last.value, last.unit, currency),
        usual(last.expected, last.unit, currency),
        last.why if last.alert else "",
        newest(values),
    )


def name_of(slice_: Mapping[str, str]) -> str:
    """A slice as people name it."""
    return ", ".join(slice_[name] for name in sorted(slice_)) or "all"


def table(values: Sequence[KpiValue], clock: Clock, currency: str) -> list[tuple[int, str, str, str, str]]:
    """The chart as rows, the newest first: start (epoch ms), when, value, expected, what was strange."""
    return [
        (
            value.start,
            clock.moment(value.start),
            human(value.value, value.unit, currency),
            usual(value.expected, value.unit, currency),
            marked(value),
        )
        for value in reversed(values)
    ]


def marked(value: KpiValue) -> str:
    """In words what is strange of a value, whether somebody was told."""
    if not value.why:
        return ""
    return f"▲ alert: {value.why}" if value.alert else value.why


def parts(value: KpiValue, currency: str) -> str:
    """The exact integers a value is made of, in words."""
    if len(value.parts) == 2 and value.unit == "ratio":
        return f"{value.parts[0]:,} of {value.parts[1]:,}"
    if len(value.parts) == 2:
        return f"{human(value.parts[0], value.unit, currency)} over {value.parts[1]:,}"
    return f"{value.weight:,} observed"


def opened(
    values: Sequence[KpiValue], stat: str, currency: str
) -> list[tuple[dict[str, str], str, str, str, str, str]]:
    """An hour's slices: slice, its name, value, of what it is made, expected, what is strange; the total first."""
    wanted = sorted((one for one in values if one.stat == stat), key=lambda one: (len(one.slice), -one.weight))
    return [
        (
            one.slice, name_of(one.slice), human(one.value, one.unit, currency), parts(one, currency),
            usual(one.expected, one.unit, currency), marked(one),
        )
        for one in wanted
    ]  # fmt: skip
