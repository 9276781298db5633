"""The committed dashboards, taken apart: panels, queries, variables, links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from dashboards.grafana.files import GENERATED

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::\w+)?\}")


@cache
def committed() -> dict[str, dict[str, Any]]:
    """The dashboards by uid, as Grafana reads them."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(GENERATED.glob("*.json"))}


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All panels but the headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def asked(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Where each query stands, the query, and whether it is of one instant only."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"], bool(target.get("instant"))
    for one in dashboard["annotations"]["list"]:
        if "expr" in one:
            yield f"annotation {one['name']}", one["expr"], False


def variables(dashboard: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The dashboard's variables by name."""
    return {one["name"]: one for one in dashboard["templating"]["list"]}


def used(text: str) -> set[str]:
    """The names of the variables in a text."""
    return {plain or braced for plain, braced in _VARIABLE.findall(text)}


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with its variables replaced. Raises KeyError for one that has no value."""
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], text)


def links(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where each link stands, and what it leads to."""
    for link in dashboard["links"]:
        yield "header", link["url"]
    for panel in panels(dashboard):
        for link in (*panel.get("links", ()), *panel["fieldConfig"]["defaults"].get("links", ())):
            yield panel["title"], link["url"]
