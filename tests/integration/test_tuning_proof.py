"""What ``python -m tests.evaluation --only tuning`` measures, in a small shop and of two KPIs: settings under which
nothing is found are tuned on some incidents, and then find others in another shop."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.evaluation.incidents import together
from detectors.watch.settings import Settings
from tests.evaluation import tuned
from tests.evaluation.recording import CACHE_VARIABLE
from tests.evaluation.trial import CONTRACT
from tests.evaluation.tuned import Configured
from tests.evaluation.tuned_report import changes, targets
from tests.evaluation.tuned_shops import Wanted, known_of, labels_of, pairs

NAMES = ["orders_placed", "on_time_ratio"]
OTHERS = ("courier_outage", "warehouse_stop")


def test_what_was_deaf_finds_other_incidents_in_another_shop_once_it_is_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    wanted = [Wanted(100, 40, 18, ("website_down", "payment_failures")), Wanted(100, 41, 6, OTHERS)]
    history, other = pairs(wanted, 2, print)
    _, seen = known_of(history)
    assert {label.what for name in NAMES for label in labels_of(name, seen)} <= {*wanted[0].kinds}
    record, held_out = known_of(other)
    assert {one.kind for one in held_out} == {*OTHERS}
    assert all(not series.slice for series in record.series)

    deaf = Settings(least_cases=1e6)
    before = Configured(CONTRACT, dict.fromkeys([series.kpi for series in record.series], deaf))
    found = tuned.tuned(history, before, NAMES, 4, 2, print)
    assert found.adopted["on_time_ratio"].better
    assert all(found.then.kpis[name] == deaf for name in before.kpis if name not in NAMES), "others stay as they are"

    was, now = (together(tuned.reported([other], one, 1)) for one in (before, found.then))
    assert was.recall == 0.0
    assert now.recall > 0.3
    assert now.false_per_kpi_week <= 0.25
    again = tuned.tuned(history, before, NAMES, 4, 2, print)
    assert again == found, "read from where it was kept"
    assert "✗" in targets({"deaf": was}).splitlines()[2]
    assert changes({"deaf": found.adopted}).count("\n") == 2
