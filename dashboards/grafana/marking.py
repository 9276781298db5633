"""Incidents as annotations in a running Grafana: one region for each, from when it began until what was off last.

An annotation is found again by its tags, so that a second run changes what has changed and adds nothing twice. An
incident that was retracted, or turned out to be part of another, has none.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from dashboards.grafana.client import Grafana
from dashboards.grafana.names import TAG
from detectors.incidents.incident import Incident, State
from streams.config import Config

GONE: tuple[State, ...] = ("retracted", "merged")
Outcome = Literal["added", "changed", "removed", "unchanged"]


class Mark(NamedTuple):
    """What an annotation says: ``begin`` and ``end`` in epoch ms, ``text`` as HTML. Grafana keeps no order of tags."""

    begin: int
    end: int
    tags: frozenset[str]
    text: str


class Marked(NamedTuple):
    """What became of an incident's annotation."""

    incident: str
    outcome: Outcome


def mark(grafana: Grafana, config: Config, incidents: Iterable[Incident]) -> Iterator[Marked]:
    """Have each incident (its newest revision) marked as it is now. Raises :class:`GrafanaError`."""
    for incident in incidents:
        yield Marked(incident.id, _mark(grafana, config, incident))


def mark_of(config: Config, incident: Incident) -> Mark | None:
    """What is to be said of an incident; None where nothing is."""
    if incident.state in GONE:
        return None
    where = ", ".join(f"{name} {value}" for name, value in sorted(incident.scope.items()))
    page = html.escape(f"{config.grafana.console}/incidents/{incident.id}")
    lines = [html.escape(incident.title), html.escape(where), f'{incident.state} · <a href="{page}">{incident.id}</a>']
    tags = frozenset((*_found_by(config, incident.id), incident.kind, incident.severity, incident.state))
    return Mark(incident.since, max(incident.until, incident.since), tags, "<br>".join(filter(None, lines)))


def _found_by(config: Config, name: str) -> tuple[str, ...]:
    """The tags an annotation is found by. Two namespaces may share a Grafana."""
    return TAG, f"namespace:{config.namespace}", f"incident:{name}"


def _mark(grafana: Grafana, config: Config, incident: Incident) -> Outcome:
    wanted = mark_of(config, incident)
    with grafana.doing("read annotations") as face:
        found = face.annotations.get_annotation(tags=_found_by(config, incident.id), limit=100)
    # Two that ran at once may both have added one.
    for surplus in found if wanted is None else found[1:]:
        with grafana.doing("remove annotations") as face:
            face.annotations.delete_annotations_by_id(surplus["id"])
    if wanted is None:
        return "removed" if found else "unchanged"
    if not found:
        with grafana.doing("add annotations") as face:
            face.annotations.add_annotation(
                time_from=wanted.begin, time_to=wanted.end, tags=sorted(wanted.tags), text=wanted.text
            )
        return "added"
    if _said(found[0]) == wanted:
        return "changed" if found[1:] else "unchanged"
    with grafana.doing("change annotations") as face:
        face.annotations.update_annotation(
            found[0]["id"], time_from=wanted.begin, time_to=wanted.end, tags=sorted(wanted.tags), text=wanted.text
        )
    return "changed"


def _said(annotation: dict[str, Any]) -> Mark:
    return Mark(annotation["time"], annotation["timeEnd"], frozenset(annotation["tags"]), annotation["text"])
