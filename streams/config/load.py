"""Finding the configuration, reading it, checking it as a whole. The environment has the last word."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from streams.config.alerts import check_alerts
from streams.config.kpis import read_kpis
from streams.config.places import Noted, Place, Problems, Wrong, compose, read, variable
from streams.config.readers import span_text
from streams.config.sections import READERS, VARIABLES, check_embedded
from streams.config.structs import DEFAULT_BOOTSTRAP, Config, Kafka
from streams.config.terms import moment_sets
from streams.config.vocabulary import MOST_MOMENTS, Vocabulary, read_dimensions, read_moments
from streams.errors import ConfigError
from streams.events.types import TYPE_NAMES
from streams.kpis.definitions import Moment

PACKAGED = Path(__file__).resolve().parent.parent / "daybook.yaml"
"""The default configuration; in a clone, ``daybook.yaml`` at the root is a link to it."""

WATCHED = ("dimensions", "moments", "kpis")
"""Sections that, left out, are those of the default configuration."""


def load_config(path: Path | None = None, env: Mapping[str, str] = os.environ) -> Config:
    """Read and check the configuration.

    It is looked for at ``path``, where ``DAYBOOK_CONFIG`` says, at ``daybook.yaml`` in the working directory;
    else the packaged default is taken. ``DAYBOOK_…`` variables override single keys; an empty one counts as
    not set.

    Raises ConfigError with one line per mistake: file, line, key, value, what was expected.
    """
    source = _find(path, env)
    problems = Problems()
    try:
        return _Loading(compose(source, str(source), problems), source, problems).config(env)
    except Wrong as wrong:
        problems.add(wrong)
    except Noted:
        pass
    raise problems.error()


def _find(path: Path | None, env: Mapping[str, str]) -> Path:
    if path is not None:
        return path
    if env.get("DAYBOOK_CONFIG"):
        named = Path(env["DAYBOOK_CONFIG"])
        if not named.exists():
            raise ConfigError(f"DAYBOOK_CONFIG: {named}: no such file")
        return named
    here = Path("daybook.yaml")
    return here if here.exists() else PACKAGED


class _Loading:
    """One file on its way to a configuration."""

    def __init__(self, root: Place, source: Path, problems: Problems) -> None:
        self.source = source
        self.problems = problems
        self.entries = root.named([*READERS, *WATCHED])

    def config(self, env: Mapping[str, str]) -> Config:
        """Raises Noted when anything was wrong."""
        values: dict[str, Any] = {}
        for key, reader in READERS.items():
            try:
                values[key] = read(self.entries[key], reader) if key in self.entries else None
            except Noted:
                continue
        broken = set(READERS) - set(values)
        config = Config(source=self.source, **{key: value for key, value in values.items() if value is not None})
        config = self._overridden(config, env)
        config = self._watching(config, None if "time" in broken else config.time.pane)
        if not broken & {"time", "lifecycle"}:
            self._check_lifecycle(config)
        if self.problems.found:
            raise Noted
        return config

    def _overridden(self, config: Config, env: Mapping[str, str]) -> Config:
        changes: dict[str, dict[str, Any]] = {section: {} for section, _, _ in VARIABLES.values()}
        places: dict[str, Place] = {}
        for name, (section, key, reader) in VARIABLES.items():
            if not env.get(name):
                continue
            places[key] = variable(name, env[name], self.problems)
            try:
                changes[section][key] = read(places[key], reader)
            except Noted:
                continue
        kafka = replace(config.kafka, **changes["kafka"])
        sections = {name: replace(getattr(config, name), **found) for name, found in changes.items() if name}
        sections["kafka"] = self._embedded(kafka, changes["kafka"], places)
        return replace(config, **sections, **changes[""])

    def _embedded(self, kafka: Kafka, changes: Mapping[str, Any], places: Mapping[str, Place]) -> Kafka:
        """Whether the broker is the embedded one: where nobody says, it is if it has the default address."""
        section = self.entries.get("kafka")
        written = section.entries() if section is not None and section.is_mapping else {}
        if "embedded" not in changes and "bootstrap" in changes:
            # A broker named for this run is meant, whatever the file runs by itself.
            elsewhere = kafka.bootstrap != DEFAULT_BOOTSTRAP
            kafka = replace(kafka, embedded=not elsewhere and (kafka.embedded or "embedded" not in written))
        place = places.get("embedded") or written.get("embedded") or section
        if place is not None:
            check_embedded(place, kafka)
        return kafka

    def _watching(self, config: Config, pane_ms: int | None) -> Config:
        if "kpis" not in self.entries:
            for key in ("dimensions", "moments"):
                if key in self.entries:
                    raise self.entries[key].wrong(
                        "nothing uses them without 'kpis' (the default KPIs come with their own; leave all "
                        "three sections out, or say all that your KPIs need)"
                    )
        if any(key not in self.entries for key in WATCHED):
            default = compose(PACKAGED, str(PACKAGED), self.problems).entries()
            self.entries = {**{key: default[key] for key in WATCHED if key in default}, **self.entries}
        dimensions = read(self.entries["dimensions"], read_dimensions)
        named = read(self.entries["moments"], read_moments)
        moments = {name: Moment(name, name) for name in TYPE_NAMES} | named
        kpis = read(self.entries["kpis"], lambda place: read_kpis(place, Vocabulary(dimensions, moments, pane_ms)))
        used = moment_sets(kpis)
        if len(used) > MOST_MOMENTS:
            self.entries["kpis"].note(f"{len(used)} different moments and lists of moments (at most {MOST_MOMENTS})")
        if "alerts" in self.entries:
            check_alerts(self.entries["alerts"], config.alerts, [kpi.name for kpi in kpis])
        return replace(
            config,
            dimensions=tuple(dimension for dimension in dimensions.values() if dimension is not None),
            moments=tuple(moment for moment in named.values() if moment is not None),
            kpis=kpis,
        )

    def _check_lifecycle(self, config: Config) -> None:
        keep, late = config.lifecycle.keep_ended, config.time.allowed_lateness
        section = self.entries.get("lifecycle") or self.entries.get("time")
        if keep < late and section is not None:
            section.note(
                f"keep_ended {span_text(keep)} is shorter than time.allowed_lateness {span_text(late)}: "
                "late events would find nothing to correct"
            )
