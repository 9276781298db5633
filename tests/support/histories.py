"""Hypothesis strategies: what may happen to a few orders, and how it may arrive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from streams.events.times import parse_time
from streams.events.types import BusinessEvent
from tests.support.shop import HOUR, MINUTE, SECOND, T0, event, family_of, heartbeat

LATENESS = 15 * MINUTE

_promise = st.one_of(st.none(), st.integers(T0, T0 + 4 * HOUR))

KINDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "order.placed": {
        "region": st.sampled_from([None, "north", "south"]),
        "amount": st.integers(0, 5000),
        "currency": st.sampled_from(["EUR", "EUR", "USD"]),
        "promised_at": _promise,
    },
    "order.paid": {},
    "order.payment_failed": {},
    "order.cancelled": {},
    "delivery.dispatched": {
        "region": st.sampled_from([None, "west"]),
        "carrier": st.sampled_from([None, "dhl", "ups"]),
        "promised_at": _promise,
    },
    "delivery.checkpoint": {},
    "delivery.delivered": {},
    "delivery.returned": {},
    "ticket.opened": {"topic": st.sampled_from([None, "late", "broken"])},
    "ticket.replied": {"by": st.sampled_from(["agent", "customer", "bot"])},
    "ticket.resolved": {},
    "ticket.reopened": {},
    "ticket.rated": {"score": st.integers(1, 5)},
}


@st.composite
def one_event(draw: st.DrawFn, subjects: Sequence[str], span: int) -> BusinessEvent:
    """An event of any kind in the span from T0 on."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    # No two events of one kind at one time: which of them is first would be anybody's choice.
    time = T0 + draw(st.integers(0, span // SECOND)) * SECOND + sorted(KINDS).index(kind)
    data = {name: draw(values) for name, values in KINDS[kind].items()}
    if kind.startswith("delivery."):
        data["delivery_id"] = draw(st.sampled_from(["D1", "D2"]))
    if kind.startswith("ticket."):
        data["ticket_id"] = draw(st.sampled_from(["T1", "T2"]))
    return event(kind, time, draw(st.sampled_from(subjects)), **data)


@st.composite
def histories(
    draw: st.DrawFn, subjects: Sequence[str] = ("a", "b", "c"), span: int = 3 * HOUR, most: int = 40
) -> list[BusinessEvent]:
    """Distinct events, in any order."""
    found = draw(st.lists(one_event(subjects, span), min_size=1, max_size=most))
    return list({found_event.id: found_event for found_event in found}.values())


class Read(NamedTuple):
    """A chunk of one topic; ``drained`` says whether the kernels are drained after it."""

    family: int
    events: list[BusinessEvent]
    drained: bool


@st.composite
def readings(
    draw: st.DrawFn, history: list[BusinessEvent], most_delay: int = 14 * MINUTE, beating: bool = False
) -> list[Read]:
    """The three topics' logs, read in turns of any length, one topic perhaps far ahead of the others.

    Within its topic no event comes later than the lateness allows; some come twice, and now and then, or in every
    quarter of an hour if ``beating``, heartbeats vouch for the time that has passed.
    """
    topics: list[list[BusinessEvent]] = []
    for family in range(3):
        mine = [one for one in history if family_of(one) == family]
        mine += [one for one in mine if draw(st.integers(0, 3)) == 0]
        arrivals = [(parse_time(one.time) + draw(st.integers(0, most_delay)), one) for one in mine]
        if beating:
            times = [T0 + quarter * 15 * MINUTE for quarter in range(17)]
        else:
            times = draw(st.one_of(st.just([]), st.lists(st.integers(T0, T0 + 4 * HOUR), max_size=5)))
        arrivals += [(time, heartbeat(time)) for time in times]
        topics.append([one for _, one in sorted(arrivals, key=lambda arrival: arrival[0])])
    reads = []
    while any(topics):
        family = draw(st.sampled_from([family for family in range(3) if topics[family]]))
        size = draw(st.integers(1, 12))
        chunk, topics[family] = topics[family][:size], topics[family][size:]
        reads.append(Read(family, chunk, draw(st.booleans())))
    return reads
