"""What people made of alerts reaches the thresholds, once, and stays with what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from detectors.calibration.contract import GAIN
from detectors.incidents.feedback import Feedback
from detectors.watch.verdicts import Verdict, Verdicts
from detectors.watch.watch import Watch
from streams.kpis.pack import pack, unpack
from streams.kpis.values import KpiValue
from tests.unit.test_watch import kpis, orders


def said(what: Any, *of: str, number: int = 0) -> Feedback:
    more: dict[str, Any] = {"since": 1, "until": 2} if what == "missed" else {"incident": "a", "until": 9_000}
    return Feedback(id=f"{number}", at=5, by="Ada", what=what, kpis=of, **more)


def test_they_are_kept_by_kpi_and_count_once() -> None:
    verdicts = Verdicts()
    verdicts.put(3, said("confirmed", "orders", "orders", "revenue"))
    verdicts.put(3, said("confirmed", "orders", "revenue"))  # read again
    verdicts.put(4, said("acknowledged", "orders"))
    verdicts.put(5, said("false_alarm", "orders"))
    assert verdicts.after("orders", -1) == [Verdict(3, "confirmed"), Verdict(5, "false_alarm")]
    assert verdicts.after("orders", 3) == [Verdict(5, "false_alarm")]
    assert verdicts.after("revenue", 3) == []
    assert verdicts.after("nothing", -1) == []


def thresholds(over: Watch, values: list[KpiValue], verdicts: Verdicts, what: str, at: int) -> list[float]:
    """The threshold after each hour; something is said after one of them."""
    found = []
    watched = over._kpis["orders"]
    for hour, value in enumerate(values):
        over.step([value])
        found.append(watched.contract.threshold)
        if hour == at:
            verdicts.put(0, said(what, *over._kpis))
    return found


@pytest.mark.parametrize(("what", "by"), [("confirmed", -GAIN), ("false_alarm", GAIN), ("missed", -GAIN)])
def test_a_verdict_moves_the_next_threshold(what: str, by: float) -> None:
    values, verdicts = orders(72), Verdicts()
    usual = thresholds(Watch(kpis(), 0.4), values, Verdicts(), what, -1)
    moved = thresholds(Watch(kpis(), 0.4, None, verdicts), values, verdicts, what, 40)
    assert moved[:41] == usual[:41]
    assert moved[41] - usual[41] == pytest.approx(by, abs=1e-9)


def test_a_verdict_is_not_heard_again_after_a_restart() -> None:
    values, verdicts = orders(72), Verdicts()
    first = Watch(kpis(), 0.4, None, verdicts)
    thresholds(first, values[:50], verdicts, "false_alarm", 40)
    again = Watch(kpis(), 0.4, None, verdicts)
    again.load(unpack(pack(first.state())))
    assert [again.step([value]) for value in values[50:]] == [first.step([value]) for value in values[50:]]
    one, other = first._kpis["orders"], again._kpis["orders"]
    assert one.contract.threshold == other.contract.threshold
