"""What was agreed upon about alerts is taken up while a worker runs; what is wrong, or else, is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from detectors.watch.settings import Settings
from detectors.watch.watch import Watch
from streams.config import load_config
from streams.runtime.agreed import Agreement
from tests.support.waiting import eventually

FIRST = "alerts: {per_week: 3}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "daybook.yaml"
    path.write_text(FIRST)
    return path


@pytest.fixture
def said() -> Iterator[list[Any]]:
    with capture_logs() as logs:
        yield logs


@pytest.fixture
def agreement(file: Path, said: list[Any]) -> Iterator[Agreement]:
    made = Agreement(load_config(file, {}), {}, every=0.02)
    made.start()
    yield made
    made.close()


def test_a_change_is_taken_up_and_said(file: Path, agreement: Agreement, said: list[Any]) -> None:
    before = agreement.now
    assert before == (3.0, {})
    file.write_text("alerts: {per_week: 2, kpis: {revenue: {longest: 1}}}\n")
    eventually(lambda: agreement.now == (2.0, {"revenue": Settings(longest=1)}))
    eventually(lambda: [one["event"] for one in said] == ["alerts are set anew"])
    file.write_text("# the same\nalerts: {per_week: 2, kpis: {revenue: {longest: 1}}}\n")
    file.write_text(FIRST)
    eventually(lambda: agreement.now == before)


def test_a_wrong_file_and_one_that_is_gone_change_nothing(file: Path, agreement: Agreement, said: list[Any]) -> None:
    file.write_text("alerts: {per_week: often}\n")
    eventually(lambda: any("was not taken up" in one["event"] for one in said))
    file.unlink()
    eventually(lambda: len(said) >= 2)
    assert agreement.now == (3.0, {})
    file.write_text("alerts: {per_week: 4}\n")
    eventually(lambda: agreement.now == (4.0, {}))


def test_what_else_was_changed_is_named(file: Path, agreement: Agreement, said: list[Any]) -> None:
    file.write_text("alerts: {per_week: 3}\nbusiness: {name: Another}\n")
    eventually(lambda: bool(said))
    assert [(one["event"], one["sections"]) for one in said] == [
        ("the configuration was changed; it takes a restart", ["business"])
    ]


def test_a_watch_asks_before_each_step() -> None:
    definitions = load_config(env={}).definitions()
    watch, agreed = Watch(definitions, 3.0), [(3.0, {"revenue": Settings(per_week=0.1)})]
    watch.asks = lambda: agreed[0]  # type: ignore[return-value]
    watch.step([])
    assert watch._kpis["revenue"].contract.per_week == 0.1
    agreed[0] = (26.0, {})
    watch.step([])
    assert watch._kpis["revenue"].contract.per_week == 1.0
