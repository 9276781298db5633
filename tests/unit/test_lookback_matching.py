"""Pairing the alerts of two runs: each in one pair, the closest first, the same from either side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from detectors.lookback.matching import WITHIN_MS, Alert, Pair, match

HOUR = 3_600_000


def alert(hour: int, kpi: str = "orders_placed", region: str = "", surprise: float = 4.0) -> Alert:
    slice_ = (("region", region),) if region else ()
    return Alert((hour + 1) * HOUR, kpi, "value", slice_, hour * HOUR, surprise)


ALERTS = st.lists(
    st.builds(alert, st.integers(0, 200), st.sampled_from(["a", "b"]), st.sampled_from(["", "north"])),
    max_size=12,
    unique=True,
)


def test_alerts_are_the_same_earlier_later_or_only_in_one() -> None:
    before = [alert(10), alert(100), alert(200, "refund_ratio"), alert(300)]
    after = [alert(10), alert(97), alert(203, "refund_ratio"), alert(400)]
    kinds = {(pair.kpi, pair.at // HOUR - 1): pair.kind for pair in match(before, after)}
    assert kinds == {
        ("orders_placed", 10): "same",
        ("orders_placed", 97): "earlier",
        ("refund_ratio", 200): "later",
        ("orders_placed", 300): "disappears",
        ("orders_placed", 400): "appears",
    }


def test_the_closest_are_one_and_of_those_as_close_the_same_series() -> None:
    north, south = alert(12, region="north"), alert(12, region="south")
    assert match([alert(10), alert(13)], [alert(14)]) == [
        Pair(alert(10), None),
        Pair(alert(13), alert(14)),
    ]
    assert Pair(south, south) in match([north, south], [south])


def test_another_slice_at_the_same_time_is_a_difference() -> None:
    (pair,) = match([alert(12, region="north")], [alert(12, region="south")])
    assert pair.kind == "same"
    assert pair.differs
    (pair,) = match([alert(12, surprise=4.0)], [alert(12, surprise=4.1)])
    assert not pair.differs, "how surprising it was is no news"


@given(ALERTS, ALERTS)
def test_each_alert_is_in_one_pair_and_sides_can_be_changed(before: list[Alert], after: list[Alert]) -> None:
    pairs = match(before, after)
    assert sorted(pair.before for pair in pairs if pair.before) == sorted(before)
    assert sorted(pair.after for pair in pairs if pair.after) == sorted(after)
    for pair in pairs:
        if pair.before and pair.after:
            assert pair.before.kpi == pair.after.kpi
            assert abs(pair.before.end - pair.after.end) <= WITHIN_MS
    assert sorted(map(str, match(after, before))) == sorted(str(Pair(after, before)) for before, after in pairs)


@given(ALERTS)
def test_a_run_is_as_itself(alerts: list[Alert]) -> None:
    assert not any(pair.differs for pair in match(alerts, alerts))
