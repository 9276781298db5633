"""``daybook backfill`` as a person uses it: mistakes are said before any work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli import cli


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "2026-10-31", "--until", "2026-10-01"), "--since 2026-10-31 --until 2026-10-01: ends before"),
        (("--step", "6m"), "--step: expected 1s to 5m"),
    ],
)
def test_a_mistake_is_said_and_nothing_is_done(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(cli, ["backfill", "--data-dir", str(tmp_path), *arguments])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_the_last_day_there_can_be_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DAYBOOK_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "promtool").symlink_to(sys.executable)
    (tmp_path / "prometheus").mkdir()
    arguments = ["--data-dir", str(tmp_path / "prometheus"), "--until", "9999-12-31"]
    result = CliRunner().invoke(cli, ["backfill", *arguments])
    assert "no event is archived there" in result.output
