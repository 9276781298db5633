"""The same judged values give the same incidents: in whatever order within an hour, and over a restart."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from detectors.incidents.grouping import Incidents
from streams.config import load_config
from streams.kpis.pack import pack, unpack
from streams.kpis.values import KpiValue

HOUR = 3_600_000
DEFINITIONS = load_config(env={}).definitions()
KPIS = {kpi.name: kpi for kpi in DEFINITIONS.kpis}
NAMES = ("orders_placed", "deliveries_dispatched", "deliveries_completed", "tickets_opened", "tickets_answered")
USUAL = {"north": 25.0, "south": 75.0}


def count(kpi: str, hour: int, of: str, factor: float, surprise: float) -> KpiValue:
    expected = USUAL.get(of, 100.0)
    return KpiValue(
        kpi=kpi,
        stat="value",
        slice={"region": of} if of else {},
        span="1h",
        rolling=False,
        start=hour * HOUR,
        end=(hour + 1) * HOUR,
        value=factor * expected,
        weight=int(factor * expected),
        parts=(int(factor * expected),),
        status="final",
        revision=0,
        unit=KPIS[kpi].unit,
        better=KPIS[kpi].better,
        expected=(0.5 * expected, expected, 1.5 * expected),
        surprise=surprise,
        side=(factor > 1.0) - (factor < 1.0),
    )


events = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(["north", "south", ""]),
    st.sampled_from([0.0, 0.2, 2.5]),
    st.floats(2.5, 12.0),
    st.booleans(),
)


@st.composite
def histories(draw: st.DrawFn) -> list[list[KpiValue]]:
    """Up to forty hours: in some of them some series are off, or alerted of; later on some are corrected."""
    hours = []
    for hour in range(draw(st.integers(3, 40))):
        values = {(kpi, of): count(kpi, hour, of, 1.0, 0.3) for kpi in NAMES for of in ("north", "south", "")}
        for kpi, of, factor, surprise, alert in draw(st.lists(events, max_size=3)):
            values[kpi, of] = replace(count(kpi, hour, of, factor, surprise), alert=alert)
        hours.append(list(values.values()))
        if hour and draw(st.booleans()):
            kpi, of, *_ = draw(events)
            late = count(kpi, hour - 1, of, 1.0, 0.0)
            hours[-1].append(replace(late, expected=None, side=0, status="corrected", revision=1))
    return hours


def run(incidents: Incidents, hours: list[list[KpiValue]]) -> list[object]:
    return [incidents.step(values) for values in hours]


@settings(max_examples=60, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_within_an_hour_changes_nothing(hours: list[list[KpiValue]], order: random.Random) -> None:
    shuffled = [order.sample(values, len(values)) for values in hours]
    assert run(Incidents(DEFINITIONS), shuffled) == run(Incidents(DEFINITIONS), hours)


@settings(max_examples=60, deadline=None)
@given(histories(), st.data())
def test_a_restart_in_between_changes_nothing(hours: list[list[KpiValue]], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(hours)))
    straight, before, after = Incidents(DEFINITIONS), Incidents(DEFINITIONS), Incidents(DEFINITIONS)
    told = run(straight, hours)
    first = run(before, hours[:at])
    after.load(unpack(pack(before.state())))
    assert first + run(after, hours[at:]) == told
    assert after.incidents == straight.incidents
    assert unpack(pack(after.state())) == unpack(pack(straight.state()))


@settings(max_examples=60, deadline=None)
@given(histories())
def test_every_alert_is_told_of_once_and_every_change_is_a_revision(hours: list[list[KpiValue]]) -> None:
    incidents, revisions = Incidents(DEFINITIONS), dict[str, int]()
    for values in hours:
        for one in incidents.step(values):
            assert one.revision > revisions.get(one.id, -1)
            revisions[one.id] = one.revision
            assert one.state == "retracted" or any(symptom.told for symptom in one.symptoms)
            assert one.since <= one.cause_until <= one.until or one.state == "retracted"
        alerted = {(one.kpi, one.slice.get("region", "")) for one in values if one.alert}
        live = {
            (symptom.kpi, symptom.slice.get("region", ""))
            for one in incidents.incidents
            if one.live
            for symptom in one.symptoms
        }
        assert alerted <= live
