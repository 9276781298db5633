"""What commands that replay have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.config import Config
    from streams.history.replay.source import Source


def source_told(config: Config, since: datetime | None = None, until: datetime | None = None) -> Source:
    """What there is of the archive of a configuration, on days of arrival as in
    :func:`~streams.history.replay.source.source_of`; what is missing of it is said as a warning."""
    from streams.history.replay.source import source_of
    from streams.runtime.archivist import folder_of

    return _with_warnings(source_of(folder_of(config), since and since.date(), until and until.date()))


def archive_told(config: Config, period: tuple[int, int]) -> Source:
    """The same, as far as it arrived from the one up to, not including, the other time (epoch ms)."""
    from streams.history.replay.source import source_between
    from streams.runtime.archivist import folder_of

    return _with_warnings(source_between(folder_of(config), period))


def _with_warnings(source: Source) -> Source:
    from streams.history.replay.source import missing

    for line in missing(source):
        click.echo(f"warning: {line}", err=True)
    return source


@contextmanager
def progress_to(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """A progress bar on the terminal, if that is one; what is given is told how much of the ``length`` is done."""
    with click.progressbar(length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield lambda done: bar.update(done - bar.pos)


def instant(config: Config, text: str, name: str) -> int:
    """A time as people write it, in epoch ms: ``2026-03-02T14:00`` or ``2026-03-02``, in the business's time unless it
    says otherwise."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{name} {text}: expected like 2026-03-02T14:00") from None
    at = at.replace(tzinfo=ZoneInfo(config.business.timezone)) if at.tzinfo is None else at
    return int(at.astimezone(UTC).timestamp() * 1000)


def period(config: Config, begin: str, end: str) -> tuple[int, int]:
    """From when to when, epoch ms."""
    since, until = instant(config, begin, "FROM"), instant(config, end, "TO")
    if since >= until:
        raise click.UsageError(f"{begin} to {end}: ends before it begins")
    return since, until


def known_kpi(config: Config, name: str) -> str:
    """The name, if a KPI has it."""
    from streams.config.places import meant

    known = [kpi.name for kpi in config.kpis]
    names = ", ".join(known)
    if name not in known:
        raise click.UsageError(f"--kpi {name}: no such KPI{meant(name, known) or f' ({names})'}")
    return name


def scope_of(config: Config, pairs: Sequence[str]) -> dict[str, str]:
    """``region=north`` and others as a slice."""
    known = sorted(dimension.name for dimension in config.dimensions)
    scope = {}
    for text in pairs:
        name, _, value = text.partition("=")
        if not (name and value):
            raise click.UsageError(f"--slice {text}: expected like region=north")
        if name not in known:
            raise click.UsageError(f"--slice {text}: no such dimension (one of {', '.join(known)})")
        scope[name] = value
    return scope
