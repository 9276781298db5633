"""``daybook tune --apply``: what has won for several KPIs is written at once, within what was agreed upon."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.tuning.choice import Verdict
from detectors.tuning.course import Score
from detectors.watch.settings import DEFAULT, Settings, shares
from streams.cli.tune_adopted import Won, adopt
from streams.config import Config, load_config
from streams.errors import ConfigError
from streams.history.tuning.search import Tried, Tuned
from tests.support.judging import MONDAY
from tests.support.shop import HOUR

NOTHING = Score(10, frozenset(), (), 0, 4.0)
ALL = Score(10, frozenset(range(10)), (1.0,) * 10, 1, 4.0)


def won(config: Config, kpi: str, proposed: Settings) -> Won:
    today = config.alerts.kpis.get(kpi, DEFAULT)
    tried = Tried(today, NOTHING, None), Tried(DEFAULT, NOTHING, None), Tried(proposed, ALL, None)
    return Won(Tuned(kpi, *tried, Verdict(True, "finds more"), 10, 0), MONDAY, MONDAY + 1_000 * HOUR)


def configured(path: Path, kpis: str) -> Config:
    path.write_text(f"alerts:\n  per_week: 2.6\n  kpis:\n{kpis}")
    return load_config(path, {})


def test_several_are_written_and_the_others_keep_half_an_equal_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "shop.yaml"
    config = configured(path, "    revenue: { per_week: 1.5 } # ours\n    refund_ratio: { least_cases: 9 }\n")
    names = [kpi.name for kpi in config.kpis]
    proposals = {"orders_placed": Settings(per_week=2.0), "revenue": DEFAULT, "refund_ratio": Settings(per_week=2.0)}
    adopt(config, [won(config, name, settings) for name, settings in proposals.items()])
    alerts = load_config(path, {}).alerts
    assert alerts.kpis["refund_ratio"].per_week == alerts.kpis["orders_placed"].per_week == pytest.approx(0.7, abs=1e-3)
    assert alerts.kpis["refund_ratio"].least_cases == 3.0
    assert alerts.kpis["revenue"].per_week is None
    assert shares(names, alerts.per_week, alerts.kpis)["revenue"] == pytest.approx(0.05, abs=1e-3)
    text = path.read_text()
    assert text.count("tuned on 2024-01-01 to 2024-02-11: recall 0% -> 100%, false alarms a week 0.00 -> 0.25") == 3
    assert "# ours" in text
    told = capsys.readouterr().out
    assert "told less often than proposed, all alike" in told
    assert f"written to {path}: orders_placed, revenue, refund_ratio" in told


def test_where_others_leave_nothing_the_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    names = [kpi.name for kpi in load_config(env={}).kpis]
    config = configured(path, "".join(f"    {name}: {{ per_week: 0.2 }}\n" for name in names))
    before = path.read_text()
    settings = {"orders_placed": Settings(per_week=0.1), "revenue": DEFAULT}
    with pytest.raises(ConfigError, match=r"shop\.yaml: alerts: nothing of 2\.6 a week is left"):
        adopt(config, [won(config, name, one) for name, one in settings.items()])
    assert path.read_text() == before
