"""A time that was not normal, taken back: what would be told since, had nothing been learned from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from detectors.calendar.occasions import Occasion, occasion_of
from detectors.incidents.incident import stamp
from detectors.lookback.matching import Pair, match
from streams.events.times import format_time
from streams.events.types import CalendarData, CalendarEntry
from streams.history.lookback.judging import judged
from streams.history.replay.run import Progress
from streams.history.replay.source import Source

if TYPE_CHECKING:
    from streams.config import Config

SOURCE = "/daybook/unlearn"


class Unlearned(NamedTuple):
    """What becomes of alerts: those ``during`` the time, of which nobody is told any more, and those ``later`` that
    change."""

    during: list[Pair]
    later: list[Pair]


def entry_of(since: int, until: int, scope: Mapping[str, str], title: str, at: int) -> CalendarEntry:
    """The calendar entry that says so: from ``since`` to ``until`` (epoch ms, excluded) what is in the scope neither
    alerts nor teaches. ``at`` is when it is said. The same time and scope have the same id: saying it again is no
    other entry."""
    where = "".join(f"-{name}-{value}" for name, value in sorted(scope.items()))
    name = f"unlearned-{stamp(since)}-{stamp(until)}{where}"
    data = CalendarData(
        entry_id=name,
        kind="outage",
        start=format_time(since),
        end=format_time(until),
        title=title,
        scope={name: [value] for name, value in scope.items()},
    )
    return CalendarEntry(id=f"{name}-{at}", source=SOURCE, time=format_time(at), subject=name, data=data)


def unlearn(
    config: Config, source: Source, entry: CalendarEntry, progress: Progress = lambda done, of: None
) -> Unlearned:
    """Replay as it was, and with the entry known; ``progress`` is told of both, one after the other."""
    occasion: Occasion = occasion_of(entry.data)
    before = judged(config, source, progress=progress).alerts
    after = judged(config, source, [occasion], progress).alerts
    pairs = [pair for pair in match(before, after) if pair.differs]
    during = [pair for pair in pairs if occasion.start < pair.at <= occasion.end]
    return Unlearned(during, [pair for pair in pairs if pair.at > occasion.end])
