"""An incident: what is wrong since when, whom it is about, and what was done about it. The record people are shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct, json
from msgspec.structs import replace

from detectors.incidents.attribution import Share, Slice, slice_of
from streams.kpis.values import KpiValue

State = Literal["open", "acknowledged", "snoozed", "resolved", "retracted", "merged"]
Severity = Literal["info", "warning", "critical"]
Kind = Literal["business", "pipeline"]
What = Literal[
    "opened",
    "joined",
    "explained",
    "worsened",
    "acknowledged",
    "snoozed",
    "woken",
    "resolved",
    "reopened",
    "retracted",
    "merged",
    "confirmed",
]

Cause = Literal["", "intake", "payment", "dispatch", "delivery", "support", "feed"]
"""Where it began: orders do not come in, payments fail, parcels do not leave, parcels do not arrive, customers are not
answered, or events do not come in; empty where that is not known."""
LIVE: tuple[State, ...] = ("open", "acknowledged", "snoozed")
CRITICAL = 6.0
"""The surprise of what is critical: one in a million."""
MOST_SHARES = 12
"""Slices that are listed of a KPI."""


class Symptom(Struct, frozen=True):
    """One series that is off: how it was at its strangest, and from when to when (epoch ms).

    ``since`` is where the first grain begins in which it was off, ``until`` where the last one ends. ``expected`` is
    (low, middle, high), ``value`` in the KPI's ``unit``; ``surprise`` is -log10 p. ``told`` is whether it was alerted
    of, or only found beside others.
    """

    kpi: str
    stat: str
    slice: dict[str, str]
    since: int
    until: int
    value: float
    expected: tuple[float, float, float]
    surprise: float
    side: int
    unit: str
    told: bool
    why: str = ""

    @staticmethod
    def of(value: KpiValue, since: int) -> Symptom:
        """Of a judged value that is strange."""
        assert value.value is not None
        assert value.expected is not None
        return Symptom(
            kpi=value.kpi,
            stat=value.stat,
            slice=value.slice,
            since=since,
            until=value.end,
            value=value.value,
            expected=value.expected,
            surprise=value.surprise,
            side=value.side,
            unit=value.unit,
            told=value.alert,
            why=value.why,
        )

    @property
    def series(self) -> tuple[str, str, Slice]:
        return self.kpi, self.stat, slice_of(self.slice)

    def with_(self, other: Symptom) -> Symptom:
        """Two looks at one series: the stranger of them, from the first to the last in which it was off."""
        kept = other if other.surprise > self.surprise else self
        return replace(
            kept,
            since=min(self.since, other.since),
            until=max(self.until, other.until),
            told=self.told or other.told,
        )


class Change(Struct, frozen=True):
    """Something that happened to an incident, at an instant (epoch ms): by itself, or ``by`` somebody."""

    at: int
    what: What
    by: str = ""
    note: str = ""


class Case(Struct, frozen=True, omit_defaults=True):
    """A line of the worklist: an order with the tickets about it, or a ticket that is about none.

    ``amount`` is what was ordered, in minor units; ``why`` says in a few words what is wrong with it, ``since`` when
    that began (epoch ms); ``places`` are the records that say so, as ``topic/partition/offset``.
    """

    order: str = ""
    tickets: tuple[str, ...] = ()
    customer: str = ""
    amount: int = 0
    why: str = ""
    since: int = 0
    places: tuple[str, ...] = ()


class Assessment(Struct, frozen=True):
    """What the events say of an incident, as far as they had been read ``at`` an instant (event time, epoch ms).

    ``orders``, ``tickets``, ``customers`` are how many it has hit, ``amount`` what those orders are worth, in minor
    units. ``explanation`` is the cause found by joining them ("62 % of the extra tickets are about orders late in
    north"), empty where none was. ``cases`` is the worklist, or the first of it; ``complete`` is whether all events it
    rests on were there to be read.
    """

    at: int
    orders: int
    tickets: int
    customers: int
    amount: int
    explanation: str
    cases: tuple[Case, ...]
    complete: bool = True


class Incident(Struct, frozen=True):
    """Trouble, as far as it is known.

    ``since`` is where the first grain begins in which anything was off, ``until`` where the last one ends (epoch ms);
    what is off later than a while after ``cause_until`` is what it has led to. ``symptoms``: the first is the one it
    began with; those that were not told of are not all listed. ``scope`` is the slice that explains it, empty where
    everything is off alike; ``shares`` has by KPI and statistic the slices with the largest part in what it is off by.
    ``calm`` is for how many grains what it began with has been as usual. A record with a higher ``revision`` replaces
    one of the same ``id``; the ``history`` says what was known when. ``cause`` is the kind of trouble it is taken for,
    ``assessment`` what the events say of it, where they have been looked through.
    """

    id: str
    kind: Kind
    state: State
    severity: Severity
    title: str
    since: int
    until: int
    cause_until: int
    symptoms: tuple[Symptom, ...]
    scope: dict[str, str]
    shares: dict[str, list[Share]]
    history: tuple[Change, ...]
    calm: int = 0
    owner: str = ""
    snoozed_until: int = 0
    merged_into: str = ""
    revision: int = 0
    cause: Cause = ""
    assessment: Assessment | None = None

    @property
    def live(self) -> bool:
        return self.state in LIVE

    def encode(self) -> bytes:
        """JSON, as on the incident topic."""
        return _ENCODER.encode(self)

    @staticmethod
    def decode(raw: bytes) -> Incident:
        """Read what :meth:`encode` wrote. Raises ``msgspec.ValidationError`` for anything else."""
        return _DECODER.decode(raw)


_ENCODER = json.Encoder()
_DECODER = json.Decoder(Incident)


def name_of(symptom: Symptom) -> str:
    """The id of the incident that begins with it: the same whenever history is read again."""
    return f"{symptom.kpi}-{stamp(symptom.until)}"


def stamp(ms: int) -> str:
    """An instant (epoch ms) as part of an id, in UTC to the minute."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y%m%dT%H%M}"


def severity_of(symptoms: Iterable[Symptom]) -> Severity:
    """By the strangest that was told of."""
    return "critical" if max(one.surprise for one in symptoms if one.told) >= CRITICAL else "warning"
