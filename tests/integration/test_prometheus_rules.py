"""Prometheus takes its configuration and rules, and each alert fires when it should and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs import program, run
from tests.support.rules import PROMETHEUS, TESTS


@pytest.fixture
def promtool() -> str:
    return program("promtool")


def test_prometheus_takes_the_configuration(promtool: str) -> None:
    assert "is valid prometheus config file syntax" in run(
        promtool, "check", "config", "--lint-fatal", PROMETHEUS / "prometheus.yml"
    )


def test_prometheus_takes_the_rules(promtool: str) -> None:
    files = sorted((PROMETHEUS / "rules").glob("*.yml"))
    assert run(promtool, "check", "rules", "--lint-fatal", *files).count("SUCCESS") == len(files) >= 2


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(promtool: str, path: Path) -> None:
    assert "SUCCESS" in run(promtool, "test", "rules", path)
