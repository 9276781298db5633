"""``docker-compose.yml`` as an engine would see it: with variables filled in, and what its images are known to have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"

ELSEWHERE = ("grafana",)
"""Services whose program no package index has: their files are held to the code instead."""

PROGRAMS: Mapping[str, tuple[frozenset[str], str]] = {
    "daybook": (frozenset({"python", "daybook", "sh"}), "deploy/Dockerfile: Python's own image with Daybook"),
    "apache/kafka": (
        frozenset({"sh", "/opt/kafka/bin/kafka-broker-api-versions.sh"}),
        "docker/jvm/Dockerfile of apache/kafka: Alpine, with the distribution unpacked in /opt/kafka",
    ),
    "prom/prometheus": (
        frozenset({"sh", "wget", "/bin/prometheus", "/bin/promtool"}),
        "Dockerfile of prometheus/prometheus: Busybox, unless the tag ends in -distroless",
    ),
    "prom/alertmanager": (
        frozenset({"sh", "wget", "/bin/alertmanager", "/bin/amtool"}),
        "Dockerfile of prometheus/alertmanager: Busybox",
    ),
    "grafana/grafana": (frozenset({"sh", "bash", "curl", "wget"}), "Dockerfile of grafana/grafana: Alpine"),
}
"""By image: programs that a health check may use, and where that is written."""

_REFERENCE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>[A-Z][A-Z0-9_]*)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}|)")


class MissingVariable(Exception):
    """A variable that is required is not set, or is empty."""


def written() -> dict[str, Any]:
    """The file as it is written, its anchors resolved."""
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return found


def references() -> dict[str, str | None]:
    """The variables it uses, with their defaults; None where a variable is required.

    Raises AssertionError for one that is used with two defaults.
    """
    found: dict[str, str | None] = {}
    for text in _texts(written()):
        for match in _REFERENCE.finditer(text):
            if match["name"]:
                default = None if match["kind"] == "?" else match["rest"]
                assert found.setdefault(match["name"], default) == default, match["name"]
    return found


def offered() -> tuple[dict[str, str], dict[str, str]]:
    """What ``.env.example`` sets, and what it has in comments: name → value."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    return (
        dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line)),
        dict(line[2:].split("=", 1) for line in lines if re.match(r"# [A-Z_]+=", line)),
    )


def resolved(**variables: str) -> dict[str, Any]:
    """The file with ``.env.example`` and ``variables`` filled in. Raises MissingVariable."""
    found: dict[str, Any] = _filled(written(), offered()[0] | variables)
    return found


def with_passwords(**variables: str) -> dict[str, Any]:
    """The same, with all that is required: each a secret of its own."""
    required = {name: f"the secret in {name}" for name, default in references().items() if default is None}
    return resolved(**required | variables)


def image_of(service: Mapping[str, Any]) -> str:
    """The image's name without its tag."""
    return str(service["image"]).rpartition(":")[0]


def ours(services: Mapping[str, Any]) -> dict[str, Any]:
    """The services that run a command of Daybook's."""
    return {name: service for name, service in services.items() if image_of(service) == "daybook"}


def mounts(service: Mapping[str, Any]) -> dict[str, str]:
    """What is mounted from outside: target → source; a named volume is its own source."""
    found = {}
    for volume in service.get("volumes", ()):
        if isinstance(volume, str):
            source, target = volume.split(":")[:2]
        else:
            source, target = volume["source"], volume["target"]
        found[target] = source
    return found


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, variables) for one in value]
    return interpolate(value, variables) if isinstance(value, str) else value


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """``$$``, ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}``, which are all forms that are used here.

    Raises MissingVariable, and ValueError for any other form.
    """

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        if not match["name"]:
            raise ValueError(f"{text!r}: a form of reference that is not known here")
        given = variables.get(match["name"], "")
        if not given and match["kind"] == "?":
            raise MissingVariable(f"{match['name']}: {match['rest']}")
        return given or match["rest"] or ""

    return _REFERENCE.sub(value, text)
