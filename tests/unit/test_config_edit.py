"""Editing the configuration: what a person wrote stays, what would be wrong is not written."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.watch.settings import Settings
from streams.config import PACKAGED, load_config
from streams.config.edit import set_alerts
from streams.errors import ConfigError

HOUR = 3_600_000
TEXT = """\
# Our shop. Ask Ops before you change anything.
business:
  name: 'The Shop' # quotes as they are
  timezone: Europe/Berlin

alerts:
  per_week: 4 # agreed in spring
  kpis:
    # It is few orders.
    refund_ratio: { per_week: 0.5, least_cases: 5 } # tried
    tickets_opened:
      cool_down: 12h # at night nobody looks

time:
  allowed_lateness: 2h
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(TEXT)
    return path


def words(text: str) -> list[str]:
    """Its lines; blanks within one are neither here nor there."""
    return [" ".join(line.replace("{", " { ").replace("}", " } ").split()) for line in text.splitlines()]


def test_only_what_is_set_changes(file: Path) -> None:
    set_alerts(file, "tickets_opened", {"least_cases": 2.0}, "")
    assert words(file.read_text()) == words(TEXT.replace("looks\n", "looks\n      least_cases: 2.0\n"))
    assert load_config(file, {}).alerts.kpis["tickets_opened"].cool_down == 12 * HOUR


def test_a_comment_says_why_beside_those_that_are_there(file: Path) -> None:
    set_alerts(file, "refund_ratio", {"per_week": 1.0}, "missed on\n2026-03-02")
    text = file.read_text()
    assert words(text) == words(
        TEXT.replace("per_week: 0.5", "per_week: 1.0").replace("orders.\n", "orders.\n# missed on 2026-03-02\n")
    )
    assert [line for line in TEXT.splitlines() if "#" in line and "tried" not in line] == [
        line for line in text.splitlines() if "#" in line and "tried" not in line and "missed" not in line
    ]


def test_sections_that_are_not_there_are_made(file: Path) -> None:
    file.write_text("business:\n  timezone: Europe/Berlin # here\n")
    set_alerts(file, "orders_placed", {"cool_down": 3 * HOUR, "longest": 6}, "why")
    settings = load_config(file, {}).alerts.kpis["orders_placed"]
    assert (settings.cool_down, settings.longest) == (3 * HOUR, 6)
    assert "timezone: Europe/Berlin # here\n" in file.read_text()
    assert "    # why\n    orders_placed:\n      cool_down: 3h\n" in file.read_text()


def test_what_is_none_is_left_out(file: Path) -> None:
    set_alerts(file, "refund_ratio", {"per_week": None, "least_change": None, "least_cases": 4.0}, "")
    assert "refund_ratio: {least_cases: 4.0} # tried" in " ".join(file.read_text().split())
    set_alerts(file, "tickets_opened", {"cool_down": None}, "")
    settings = load_config(file, {}).alerts.kpis
    assert settings["refund_ratio"].per_week is None
    assert settings["tickets_opened"] == Settings()
    assert "time:\n  allowed_lateness: 2h\n" in file.read_text()


@pytest.mark.parametrize(
    ("kpi", "changes", "says"),
    [
        ("orders_place", {"least_cases": 2.0}, "there is no KPI 'orders_place'"),
        ("orders_placed", {"least_change": -1.0}, "out of range"),
        ("orders_placed", {"least": 1.0}, "unknown key 'least'"),
        ("orders_placed", {"per_week": 4.0}, "is left for"),
    ],
)
def test_what_would_be_wrong_is_not_written(file: Path, kpi: str, changes: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        set_alerts(file, kpi, changes, "why")
    assert ".yaml." not in str(caught.value)
    assert file.read_text() == TEXT
    assert [path.name for path in file.parent.iterdir()] == ["shop.yaml"]


def test_the_default_configuration_is_nobodys_to_change(tmp_path: Path) -> None:
    before = PACKAGED.read_bytes()
    link = tmp_path / "daybook.yaml"
    link.symlink_to(PACKAGED)
    for path in (PACKAGED, link):
        with pytest.raises(ConfigError, match="comes with Daybook; copy it"):
            set_alerts(path, "orders_placed", {"least_cases": 2.0}, "why")
    assert PACKAGED.read_bytes() == before


def test_what_is_no_file_or_no_yaml_is_said(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        set_alerts(tmp_path / "none.yaml", "orders_placed", {}, "")
    file.write_text("alerts: [")
    with pytest.raises(ConfigError, match="is no YAML"):
        set_alerts(file, "orders_placed", {}, "")
    file.write_text("alerts: 3\n")
    with pytest.raises(ConfigError, match="expected a section"):
        set_alerts(file, "orders_placed", {}, "")


def test_a_link_stays_one_and_the_rights_too(file: Path, tmp_path: Path) -> None:
    file.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    set_alerts(link, "orders_placed", {"least_cases": 2.0}, "")
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert load_config(file, {}).alerts.kpis["orders_placed"].least_cases == 2.0
