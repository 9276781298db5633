"""Quiet business or broken pipeline: incidents of kind ``pipeline``, one for each source that is in trouble, and what
the KPIs show because of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from msgspec import convert, to_builtins
from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.feeds import FeedTrouble, Trouble
from detectors.incidents.incident import Change, Incident, stamp
from streams.events.times import format_time
from streams.events.types import CalendarData
from streams.kpis.definitions import Definitions, DurationKpi, KpiDefinition, LevelKpi
from streams.kpis.grid import DAY_MS, HOUR_MS
from streams.kpis.units import duration
from streams.kpis.values import KpiValue

SETTLED_MS: dict[Trouble, int] = {"silent": 300_000, "late": HOUR_MS, "unreadable": HOUR_MS}
"""A trouble that is not seen for so long is over."""
AFTER_MS = 6 * HOUR_MS
"""What KPIs show so long after it may still be its doing: what was late is taken in, or never came."""
KEPT_MS = 6 * DAY_MS
_AT_MOST_MS = 60 * DAY_MS
"""The calendar is told that it lasts so long, until it is over."""
_FAMILIES = {"order": 0, "delivery": 1, "ticket": 2}


def families_of(kpi: KpiDefinition, definitions: Definitions) -> frozenset[int]:
    """The topics whose events a KPI is made of: 0 orders, 1 deliveries, 2 support."""
    if isinstance(kpi, DurationKpi):
        moments = {*kpi.start, *kpi.end}
    elif isinstance(kpi, LevelKpi):
        moments = {*kpi.start, *kpi.until}
    else:
        moments = {*kpi.of.moments, *(kpi.per.moments if kpi.per is not None else ())}
    return frozenset(_FAMILIES[definitions.moments[name].event.partition(".")[0]] for name in moments)


class Faults:
    """The pipeline incidents. Instants are event time, as the feeds say it."""

    def __init__(self, definitions: Definitions) -> None:
        self._families = {kpi.name: families_of(kpi, definitions) for kpi in definitions.kpis}
        self._incidents: dict[str, Incident] = {}
        self._troubles: dict[str, FeedTrouble] = {}
        """By incident, as it was seen last."""
        self._now = 0

    @property
    def incidents(self) -> list[Incident]:
        """All that are live, or have been of late."""
        return list(self._incidents.values())

    def step(self, troubles: Sequence[FeedTrouble], now: int) -> list[Incident]:
        """What is wrong with the sources as of an instant (event time, epoch ms): the incidents that are others than
        before."""
        self._now, changed = max(self._now, now), {}
        for trouble in troubles:
            one = self._incident(trouble)
            if one is not self._incidents.get(one.id):
                changed[one.id] = self._incidents[one.id] = one
            self._troubles[one.id] = trouble
        for name, one in list(self._incidents.items()):
            trouble = self._troubles[name]
            quiet = self._now - trouble.until
            if one.live and quiet >= SETTLED_MS[trouble.trouble]:
                over = replace(one, until=trouble.until)
                changed[name] = self._incidents[name] = lifecycle.resolve(over, self._now, note="as usual again")
            elif not one.live and quiet > KEPT_MS:
                del self._incidents[name], self._troubles[name]
        return list(changed.values())

    def _incident(self, trouble: FeedTrouble) -> Incident:
        known = [
            name
            for name, one in self._troubles.items()
            if (one.source, one.trouble) == (trouble.source, trouble.trouble)
            and (self._incidents[name].live or trouble.since - one.until <= SETTLED_MS[one.trouble])
        ]
        if known:
            one = self._incidents[known[-1]]
            # Whoever says that it is over knows better.
            if one.state == "resolved" and not one.history[-1].by:
                one = lifecycle.reopen(one, trouble.until, note=_told(trouble))
            return one
        return Incident(
            id=f"feed-{_slug(trouble.source)}-{trouble.trouble}-{stamp(trouble.since)}",
            kind="pipeline",
            state="open",
            severity="warning",
            title=_title(trouble),
            since=trouble.since,
            until=trouble.until,
            cause_until=trouble.until,
            symptoms=(),
            scope=trouble.scope,
            shares={},
            history=(Change(trouble.until, "opened", note=_told(trouble)),),
            cause="feed",
        )

    def claim(self, values: Iterable[KpiValue]) -> tuple[list[KpiValue], list[Incident]]:
        """The same values, and those that a broken feed explains without an alert; the incidents that they are put down
        to, where that is news."""
        kept, changed = [], {}
        for value in values:
            name = self._explains(value.kpi, value.slice, value.start, value.end) if value.alert else None
            if name is not None:
                one = self._incidents[name]
                changed[name] = self._incidents[name] = lifecycle.noted(
                    one, value.end, "joined", f"{value.series}: {value.why}"
                )
                value = replace(value, alert=False)
            kept.append(value)
        return kept, list(changed.values())

    def explains(self, incident: Incident) -> str | None:
        """The pipeline incident that all which was alerted of in a business incident is to be put down to, if there is
        one."""
        told = [one for one in incident.symptoms if one.told]
        found = {self._explains(one.kpi, one.slice, one.since, one.until) for one in told}
        return found.pop() if len(found) == 1 else None

    def _explains(self, kpi: str, slice_: Mapping[str, str], since: int, until: int) -> str | None:
        families = self._families.get(kpi, frozenset())
        for name, one in self._incidents.items():
            trouble = self._troubles[name]
            near = one.since < until and since < trouble.until + AFTER_MS
            about = all(one.scope.get(dimension, text) == text for dimension, text in slice_.items())
            if near and about and not families.isdisjoint(trouble.families):
                return name
        return None

    def calendar(self, one: Incident) -> CalendarData:
        """What the calendar is told of it: while it lasts the KPIs it is about neither alert nor teach."""
        trouble = self._troubles[one.id]
        end = trouble.until + 1 if not one.live else trouble.until + _AT_MOST_MS
        return CalendarData(
            entry_id=one.id,
            kind="outage",
            start=format_time(one.since),
            end=format_time(end),
            title=one.title,
            scope={name: [value] for name, value in one.scope.items()},
        )

    def change(self, one: Incident) -> None:
        """What people have made of one."""
        self._incidents[one.id] = one

    def state(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "now": self._now,
            "incidents": [to_builtins(one) for one in self._incidents.values()],
            "troubles": {name: to_builtins(one) for name, one in self._troubles.items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        self._now = state["now"]
        self._incidents = {one.id: one for one in convert(state["incidents"], list[Incident])}
        self._troubles = convert(state["troubles"], dict[str, FeedTrouble])


def _slug(source: str) -> str:
    """A source's name as part of an id: what is not plain becomes a dash, and what is alike then is told apart."""
    plain = re.sub(r"[^A-Za-z0-9_.]+", "-", source).strip("-")[:60]
    same = source == "/" + plain.replace("-", "/")
    return plain if same else f"{plain}-{blake2b(source.encode(), digest_size=3).hexdigest()}"


def _title(trouble: FeedTrouble) -> str:
    if trouble.trouble == "silent":
        return f"Nothing comes from {trouble.source}: its feed is broken"
    if trouble.trouble == "late":
        return f"Events from {trouble.source} come too late to count"
    return f"Events from {trouble.source} cannot be read"


def _told(trouble: FeedTrouble) -> str:
    if trouble.trouble == "silent":
        silent, every = (duration(ms / 1000) for ms in (trouble.until - trouble.since, trouble.every))
        return f"no event and no heartbeat for {silent}, where there is one every {every}"
    what = "came too late to count" if trouble.trouble == "late" else "could not be read"
    return f"{trouble.events:,} of {trouble.of:,} within the hour {what}"
