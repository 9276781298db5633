"""The rules of ``deploy/prometheus`` and what they are made of, read without Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTMANAGER = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
TESTS = sorted((ROOT / "tests" / "integration" / "rules").glob("*.yaml"))
"""Unit tests of the rules in promtool's form."""

_GROUPING = r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
_LEFT_OUT = re.compile(rf'"[^"]*"|\{{[^}}]*\}}|\[[^\]]*\]|\boffset\s+\w+|{_GROUPING}')
_NAME = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
_WORDS = {"and", "or", "unless", "bool", "by", "without", "on", "ignoring", "group_left", "group_right", "offset"}
_WORDS |= {"sum", "max", "min"}  # with their grouping before what they add up


def rules() -> Iterator[dict[str, Any]]:
    """All rules there are, as written."""
    for path in sorted((PROMETHEUS / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def alerts() -> dict[str, dict[str, Any]]:
    """The alerting rules by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def metrics_in(expression: str) -> set[str]:
    """The names of metrics in a PromQL expression: what is no function, no label, no keyword."""
    return set(_NAME.findall(_LEFT_OUT.sub(" ", expression))) - _WORDS
