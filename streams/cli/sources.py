"""Where ``daybook replay`` reads from, and of what time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from streams.cli.harmless import printable

if TYPE_CHECKING:
    from streams.config import Config
    from streams.history.replay.rows import Odd
    from streams.history.replay.source import Source

SHOWN = 10
"""Lines that are no events, of which it is said."""
_STEPS = 1_000


def files_meant(first: Sequence[Path], more: Sequence[Path], kafka: bool) -> list[Path]:
    """The files after ``--files``, of which a shell may have made several of one. Raises ``click.UsageError``."""
    if more and not first:
        raise click.UsageError(f"{more[0]}: expected --files before files to replay")
    if first and kafka:
        raise click.UsageError("--files and --kafka: a replay reads from one of them")
    found = [*first, *more]
    if twice := [path for at, path in enumerate(found) if path in found[:at]]:
        raise click.UsageError(f"--files {twice[0]}: is there twice")
    return found


def between(config: Config, since: str | None, until: str | None) -> tuple[int, int]:
    """From when to when, epoch ms: a day (UTC) as a whole, ``until`` with it; a time up to, not including, itself, in
    the business's time unless it says otherwise. Raises ``click.UsageError``."""
    from streams.history.replay.source import EVER

    begin = EVER[0] if since is None else _instant(config, since, "--since", 0)
    end = EVER[1] if until is None else _instant(config, until, "--until", 1)
    if begin >= end:
        raise click.UsageError(f"--since {since} --until {until}: ends before it begins")
    return begin, end


def _instant(config: Config, text: str, name: str, days: int) -> int:
    from streams.cli.replaying import instant
    from streams.history.archive.layout import midnight
    from streams.kpis.grid import DAY_MS

    try:
        return midnight(date.fromisoformat(text)) + days * DAY_MS
    except ValueError:
        pass
    try:
        return instant(config, text, name)
    except (click.UsageError, OverflowError):
        raise click.UsageError(
            f"{name} {text}: expected a day like 2026-10-01 or a time like 2026-10-01T12:00"
        ) from None


@contextmanager
def source_chosen(config: Config, files: Sequence[Path], kafka: bool, period: tuple[int, int]) -> Iterator[Source]:
    """What is to be replayed, of a ``period`` as :func:`between` gives it: files, Kafka's topics, or else the archive.
    What is odd about it is said."""
    from streams.cli.replaying import archive_told

    if not (files or kafka):
        yield archive_told(config, period)
        return
    with TemporaryDirectory(prefix="daybook-replay-") as scratch:
        folder = Path(scratch) / "source"
        yield _files_told(config, files, folder, period) if files else _topics_told(config, folder, period)


def _files_told(config: Config, files: Sequence[Path], folder: Path, period: tuple[int, int]) -> Source:
    from streams.history.replay.files import source_of_files

    shown: list[Odd] = []
    odd = 0

    def tell(one: Odd) -> None:
        nonlocal odd
        odd += 1
        if odd <= SHOWN:
            shown.append(one)

    try:
        with _progress("reading files") as progress:
            now = time.time_ns() // 1_000_000
            return source_of_files(
                config, files, folder, period, now=now, odd=tell, quiet=_tell_quiet, progress=progress
            )
    finally:
        for one in shown:
            click.echo(f"warning: {printable(one.file)}:{one.line}: no event: {printable(one.why)}", err=True)
        if odd > SHOWN:
            click.echo(f"warning: {odd - SHOWN:,} more lines that are no events", err=True)


def _tell_quiet(since: int, until: int) -> None:
    from streams.events.times import format_time
    from streams.kpis.grid import DAY_MS

    days = (until - since) // DAY_MS
    click.echo(
        f"warning: nothing happened for {days:,} days, from {format_time(since)} to {format_time(until)}: if a time is "
        f"wrong, --since leaves out what is before",
        err=True,
    )


def _topics_told(config: Config, folder: Path, period: tuple[int, int]) -> Source:
    from streams.history.replay.kafka_range import source_of_kafka

    with _progress("reading topics") as progress:
        return source_of_kafka(config, folder, period, progress)


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    from streams.cli.replaying import progress_to

    with progress_to(_STEPS, label) as progress:
        yield lambda done, of: progress(_STEPS * done // of if of else 0)
