"""The same history under two configurations: what differs is said, to people, to programs and by the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.cli import cli
from streams.config import load_config
from streams.history.lookback.compare import compare
from streams.history.lookback.runs import RunError
from streams.history.replay.run import replay
from streams.history.replay.source import source_of
from tests.support.archived_shop import shop_in


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with its archive, configurations, and what was replayed under the first."""
    folder = tmp_path_factory.mktemp("shop")
    text = shop_in(folder, "usual.yaml")
    (folder / "deaf.yaml").write_text(text.replace("kpis:\n", "kpis:\n    orders: { least_cases: 5000 }\n", 1))
    (folder / "fewer.yaml").write_text(text.replace("by: [channel]", "by: []"))
    replay(
        load_config(folder / "usual.yaml", {}), source_of(folder / "archive" / "daybook"), folder / "usual", processes=1
    )
    return folder


def call(folder: Path, *arguments: object) -> Result:
    return CliRunner().invoke(
        cli, ["--config", str(folder / "usual.yaml"), *map(str, arguments)], standalone_mode=False
    )


def test_a_run_again_is_no_difference(shop: Path) -> None:
    result = call(shop, "compare", shop / "usual", shop / "usual.yaml")
    assert result.return_value == 0, result.output
    assert "nothing differs" in result.output
    assert not compare(shop / "usual", shop / "usual").differs


def test_what_is_not_told_any_more_disappears(shop: Path) -> None:
    result = call(shop, "compare", shop / "usual", shop / "deaf.yaml")
    assert result.return_value == 1, result.output
    lines = [line for line in result.output.splitlines() if "disappears" in line and " orders" in line]
    assert lines, result.output
    as_json = call(shop, "compare", shop / "deaf.yaml", shop / "usual", "--json")
    told = json.loads(as_json.output)
    assert told["differs"]
    assert told["kpis"] == [], "only what is told of differs"
    kinds = {(pair["kind"], (pair["before"] or pair["after"])["kpi"]) for pair in told["alerts"]}
    assert ("appears", "orders") in kinds


def test_values_that_only_one_has_are_counted(shop: Path) -> None:
    replay(load_config(shop / "fewer.yaml", {}), source_of(shop / "archive" / "daybook"), shop / "fewer", processes=1)
    (kpi,) = compare(shop / "usual", shop / "fewer").kpis
    assert (kpi.kpi, kpi.differ, kpi.only_after) == ("orders", 0, 0)
    assert kpi.only_before > kpi.both > 800, "web, app and shop besides the total"


def test_mistakes_are_told_by_name(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no folder that daybook replay --out wrote"):
        compare(shop / "usual", tmp_path)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("alerts: { kpis: { nothing: { least_cases: 2 } } }\n")
    result = call(shop, "compare", shop / "usual", wrong)
    assert "there is no KPI 'nothing'" in str(result.exception)
    result = call(shop, "compare", shop / "usual", shop / "deaf.yaml", "--since", "2031-01-01")
    assert "nothing arrived in that time" in str(result.exception)
    result = call(shop, "compare", shop / "usual", shop / "usual", "--since", "2026-03-01")
    assert "are for configurations" in str(result.exception)
