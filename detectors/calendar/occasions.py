"""An occasion: something with a beginning, an end and a scope that makes business unusual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from streams.events.times import parse_time
from streams.events.types import CalendarData

Kind = Literal["promotion", "holiday", "maintenance", "outage"]


class Occasion(NamedTuple):
    """``start`` and ``end`` (excluded) are epoch ms UTC; ``scope`` maps dimensions to the values it is about, empty:
    everything."""

    id: str
    kind: Kind
    start: int
    end: int
    title: str
    scope: Mapping[str, frozenset[str]] = {}

    def covers(self, start: float, end: float) -> bool:
        """Whether it is on for at least half of a span."""
        return 2.0 * (min(self.end, end) - max(self.start, start)) >= max(end - start, 1.0)

    def concerns(self, slice_: Mapping[str, str]) -> bool:
        """Whether a series has to do with it: all it is sliced by is in the scope, or the scope says nothing of it.

        The total has to do with everything.
        """
        return all(slice_[name] in values for name, values in self.scope.items() if name in slice_)


def occasion_of(data: CalendarData) -> Occasion:
    """The occasion that a calendar entry tells of. Raises :class:`ContractError` for a time that is none."""
    return Occasion(
        id=data.entry_id,
        kind=data.kind,
        start=parse_time(data.start),
        end=parse_time(data.end),
        title=data.title or data.kind.capitalize(),
        scope={name: frozenset(values) for name, values in data.scope.items()},
    )
