"""What a KPI is, typed: the part of the configuration the pure core consumes, checked before it gets here.

A **moment** is an event type, or an event type with a condition on its fields. A **term** says which moments
a KPI counts or adds up. An **entity** is an order, a delivery or a ticket, with a lifecycle of moments: an
order sees every event whose subject is its order id (its own, its deliveries', its tickets'), a delivery and
a ticket their own only.

Units: spans, deadlines and horizons in milliseconds, goals in the KPI's own unit.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Better = Literal["higher", "lower", "neither"]
Entity = Literal["order", "delivery", "ticket"]
Promise = Literal["kept", "given", "broken"]
MeasureKind = Literal["count", "sum", "mean", "ratio"]
Kind = Literal["count", "sum", "mean", "ratio", "duration", "level"]


class Span(Struct, frozen=True, order=True):
    """A length of time as people write it (``1h``) and in milliseconds."""

    text: str
    ms: int


class Moment(Struct, frozen=True):
    """An event of type ``event`` whose fields have one of the wanted values.

    Every event type is a moment itself, under its own name. ``where`` maps a text field of the event's data
    to the values it may have; all fields must fit.
    """

    name: str
    event: str
    where: dict[str, tuple[str, ...]] = {}


class Term(Struct, frozen=True, kw_only=True):
    """What one side of a KPI counts or adds up.

    Plain (``first`` false): every event that is one of ``moments``, or the sum of its ``field``. An event
    that is two of the moments counts once.

    ``first`` true: an ``entity``'s first occurrence of any of ``moments`` counts 1, once per entity, if all
    that is asked for holds:

    - ``promise``: the entity's promise (the first ``promised_at`` known, in event time; a delivery without
      one has its order's) was ``given``, was ``kept`` (the moment is not later) or ``broken`` (it is later);
    - ``since``: the entity has had that moment, not later than this one;
    - ``within``: at most so many ms after the first ``since``.
    """

    moments: tuple[str, ...]
    first: bool = False
    entity: Entity | None = None
    promise: Promise | None = None
    since: str | None = None
    within: int | None = None
    field: str | None = None


class DimensionDefinition(Struct, frozen=True):
    """A dimension and where its value is read from: (event type, field of its data), first known wins."""

    name: str
    sources: tuple[tuple[str, str], ...]


class _Kpi(Struct, frozen=True, kw_only=True):
    """What all KPIs have.

    ``by`` are the slices beside the total, each of one or two dimensions. ``windows`` are rolling, ``grain``
    is the span of the values that become final. ``unit`` is ``seconds``, ``ratio``, ``money`` (minor units of
    the business currency) or what is counted (``orders``). ``goal_min`` and ``goal_max`` are inclusive; a
    duration's are for its highest quantile. ``quantiles`` ascend; only a duration has them.
    """

    name: str
    unit: str
    better: Better
    by: tuple[tuple[str, ...], ...]
    windows: tuple[Span, ...]
    grain: Span
    description: str = ""
    goal_min: float | None = None
    goal_max: float | None = None
    quantiles: tuple[float, ...] = ()


class MeasureKpi(_Kpi, frozen=True, kw_only=True):
    """``count`` of ``of``; ``sum`` of ``of.field``; ``mean`` of ``of.field`` over the events that have it;
    ``ratio`` of ``of`` to ``per``, which is set for a ratio only.

    Fields: a whole number of the event's data (``amount``, ``score``), ``items.quantity`` (the sum over the
    order's lines) or ``items.count`` (how many lines).
    """

    kind: MeasureKind
    of: Term
    per: Term | None = None


class DurationKpi(_Kpi, frozen=True, kw_only=True):
    """Time from an entity's first moment of ``start`` to its first of ``end``, as ``quantiles``.

    It counts at the end's time.
    """

    kind: Literal["duration"] = "duration"
    entity: Entity
    start: tuple[str, ...]
    end: tuple[str, ...]


class LevelKpi(_Kpi, frozen=True, kw_only=True):
    """How many entities are between ``start`` and ``until`` now; ``again`` lets one in that has left.

    ``overdue`` counts only those past a deadline: ``"promise"`` their ``promised_at``, a number so many ms
    after their start.
    """

    kind: Literal["level"] = "level"
    entity: Entity
    start: tuple[str, ...]
    until: tuple[str, ...]
    again: tuple[str, ...] = ()
    overdue: Literal["promise"] | int | None = None


KpiDefinition = MeasureKpi | DurationKpi | LevelKpi
"""One KPI; ``kind`` tells which."""


class Definitions(Struct, frozen=True, kw_only=True):
    """Everything the core needs to know.

    ``moments`` holds every event type by its name, then the named moments. ``week_starts``: 0 is Monday, as
    in ``date.weekday()``. Grains of a day and more are aligned to ``timezone``.
    """

    kpis: tuple[KpiDefinition, ...]
    moments: dict[str, Moment]
    dimensions: tuple[DimensionDefinition, ...]
    pane_ms: int
    out_of_order_ms: int
    allowed_lateness_ms: int
    future_limit_ms: int
    values_per_dimension: int
    keep_ended_ms: int
    keep_open_ms: int
    timezone: str
    currency: str
    week_starts: int


def stat_name(quantile: float) -> str:
    """The statistic a quantile is published as: 0.5 → ``p50``, 0.999 → ``p99_9``."""
    return f"p{quantile * 100:.10g}".replace(".", "_")
