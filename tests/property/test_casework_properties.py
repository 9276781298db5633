"""The ledger does not depend on how events come; a worklist stays within its incident's scope."""

from __future__ import annotations

import random
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.casework.affected import affected
from detectors.casework.counts import distribution, interval
from detectors.casework.ledger import Ledger
from detectors.casework.survival import still_open
from detectors.incidents.incident import Incident, Symptom
from streams.config import load_config
from streams.events.types import BusinessEvent
from streams.kpis.definitions import Definitions
from tests.support.lives import lives
from tests.support.shop import HOUR, T0, family_of

import numpy as np  # isort: skip


@cache
def definitions() -> Definitions:
    return load_config(env={}).definitions()


@cache
def events() -> tuple[tuple[int, BusinessEvent], ...]:
    """Each with its offset in its topic; one in fifty twice."""
    return tuple(enumerate(lives(120, seed=5, span=30 * HOUR)))


def ledger(order: list[tuple[int, BusinessEvent]], at_once: int) -> Ledger:
    found = Ledger(definitions())
    for family in range(3):
        ours = [(offset, event) for offset, event in order if family_of(event) == family]
        for begin in range(0, len(ours), at_once):
            several = ours[begin : begin + at_once]
            found.fold(f"t{family}", 0, [offset for offset, _ in several], [event for _, event in several])
    return found


def content(found: Ledger) -> dict[str, object]:
    return {
        life.subject: (
            life.customer,
            life.amount,
            life.last,
            [
                (one.time, one.sort, one.entity and life.entities[one.entity - 1], one.values, one.promise,
                 found.record(one.place))
                for one in found.story(life)
            ],
        )
        for life in found
    }  # fmt: skip


@given(seed=st.integers(0, 10_000), at_once=st.integers(1, 400))
@settings(max_examples=15, deadline=None)
def test_a_ledger_is_the_same_in_whatever_order_and_pieces_events_come(seed: int, at_once: int) -> None:
    shuffled = list(events())
    random.Random(seed).shuffle(shuffled)
    twice = shuffled + shuffled[: len(shuffled) // 3]
    assert content(ledger(twice, at_once)) == content(ledger(list(events()), 10_000))


KPIS = (
    ("deliveries_completed", -1),
    ("delivery_time", 1),
    ("deliveries_in_transit", 1),
    ("payment_failure_ratio", 1),
    ("on_time_ratio", -1),
    ("time_to_ship", 1),
    ("tickets_opened", 1),
    ("first_response_time", 1),
    ("orders_placed", -1),
)


@given(
    kpi=st.sampled_from(KPIS),
    region=st.sampled_from(["north", "south", "west", None]),
    carrier=st.sampled_from(["ups", "dax", None]),
    since=st.integers(0, 30),
    hours=st.integers(1, 12),
)
@settings(max_examples=30, deadline=None)
def test_what_is_on_a_worklist_lies_in_the_scope_and_is_known(
    kpi: tuple[str, int], region: str | None, carrier: str | None, since: int, hours: int
) -> None:
    scope = {name: value for name, value in (("region", region), ("carrier", carrier)) if value is not None}
    begin, end = T0 + since * HOUR, T0 + (since + hours) * HOUR
    symptom = Symptom(
        kpi=kpi[0], stat="value", slice=scope, since=begin, until=end, value=0.0, expected=(0.0, 0.0, 3600.0),
        surprise=5.0, side=kpi[1], unit="", told=True,
    )  # fmt: skip
    incident = Incident(
        id="x", kind="business", state="open", severity="warning", title="", since=begin, until=end, cause_until=end,
        symptoms=(symptom,), scope=scope, shares={}, history=(),
    )  # fmt: skip
    found = ledger(list(events()), 10_000)
    for case in affected(incident, found, definitions()):
        life = found.get(case.order or case.tickets[0])
        assert life is not None
        told: dict[str, set[str]] = {}
        for one in found.story(life):
            for name, value in zip(found.dimensions, one.values, strict=True):
                if value is not None:
                    told.setdefault(name, set()).add(value)
        assert all(value in told.get(name, {value}) for name, value in scope.items())
        assert case.amount >= 0
        assert case.places


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60), st.sampled_from([0.0, 0.6, 1.8]))
def test_a_distribution_sums_to_one_and_independent_chances_keep_their_mean(chances: list[float], fate: float) -> None:
    found = distribution(np.array(chances), fate)
    assert len(found) == len(chances) + 1
    assert abs(found.sum() - 1.0) < 1e-9
    if fate == 0.0:
        assert abs(found @ np.arange(len(found)) - sum(chances)) < 0.02 * len(chances) + 0.01
    low, high = interval(found, 0.9)
    assert 0 <= low <= high <= len(chances)
    assert found[low : high + 1].sum() >= 0.9 - 1e-9


@given(
    st.lists(st.tuples(st.floats(0.0, 100.0), st.booleans()), min_size=1, max_size=40),
    st.tuples(st.floats(0.0, 100.0), st.floats(0.0, 100.0)),
)
def test_less_and_less_is_still_open(rows: list[tuple[float, bool]], asked: tuple[float, float]) -> None:
    lasted, came = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    early, late = (still_open(lasted, came, until) for until in sorted(asked))
    assert 0.0 <= late <= early + 1e-12 <= 1.0 + 1e-9
