"""``daybook archive``: every event that ever arrived, in Parquet files."""

from __future__ import annotations

import csv
import signal
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.settings import Settings, configured, example

if TYPE_CHECKING:
    from streams.config import Config
    from streams.history.archive.layout import Piece

SHOWN = 50
"""Rows of an answer that are printed as a table."""


@click.group(epilog=example("daybook archive run", "daybook archive ls", "daybook archive verify"))
def archive() -> None:
    """Keep every event for good, look at what is kept, ask it questions in SQL."""


@archive.command(epilog=example("daybook archive run"))
@configured
def run(settings: Settings) -> None:
    """Archive what arrives, until it is stopped. `daybook run` does it by itself."""
    config = settings.attach()
    from streams.runtime.archivist import Archivist
    from streams.runtime.logs import configure_logging

    configure_logging()
    archivist = Archivist(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: archivist.stop())
    archivist.run()


@archive.command(epilog=example("daybook archive ls", "daybook archive ls --topic orders --files"))
@click.option("--topic", help="One topic: orders, deliveries, support, calendar or feedback.")
@click.option("--files", is_flag=True, help="Every file.")
@configured
def ls(settings: Settings, topic: str | None, files: bool) -> None:
    """List what is archived: by topic and day (UTC), how many events in how many files."""
    config = settings.load()
    folder, pieces = _archived(config)
    mine = [piece for piece in pieces if topic in (None, piece.log.topic)]
    if not mine:
        raise click.UsageError(f"nothing is archived of topic {topic!r}")
    if files:
        for piece in sorted(mine):
            click.echo(f"{(folder / piece.name).stat().st_size:>12,}  {piece.end - piece.first:>10,}  {piece.name}")
        return
    click.echo(f"{folder}")
    click.echo(f"{'topic':<12}{'day':<12}{'events':>12}{'files':>8}{'MiB':>10}")
    days: defaultdict[tuple[str, str], list[Piece]] = defaultdict(list)
    for piece in mine:
        days[piece.log.topic, f"{piece.day}"].append(piece)
    for (name, day), several in sorted(days.items()):
        events = sum(piece.end - piece.first for piece in several)
        size = sum((folder / piece.name).stat().st_size for piece in several) / (1 << 20)
        click.echo(f"{name:<12}{day:<12}{events:>12,}{len(several):>8}{size:>10.1f}")


@archive.command(epilog=example("daybook archive verify"))
@configured
def verify(settings: Settings) -> None:
    """Read all of it and say what is wrong: gaps, damaged files, records that are not what was written.

    Exit status 1 where anything is.
    """
    from streams.history.archive.verify import verify as findings

    config = settings.load()
    folder, pieces = _archived(config)
    found = 0
    with click.progressbar(length=len(pieces), label="reading", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        for finding in findings(folder, lambda done, _: bar.update(done - bar.pos)):
            found += 1
            click.echo(f"{finding.where}: {finding.what}")
    events = sum(piece.end - piece.first for piece in pieces)
    click.echo(f"{len(pieces)} files, {events:,} events: {f'{found} found' if found else 'nothing wrong'}")
    sys.exit(1 if found else 0)


@archive.command(epilog=example("daybook archive compact"))
@configured
def compact(settings: Settings) -> None:
    """Make few large files of many small ones, of days that are over. `archive run` does it by itself."""
    from datetime import UTC, datetime

    from streams.history.archive.compaction import compact as compacted

    config = settings.load()
    folder, _ = _archived(config)
    joined = compacted(folder, datetime.now(UTC).date())
    parts = sum(len(one.parts) for one in joined)
    click.echo(f"{parts} files are {len({one.whole for one in joined})} now" if joined else "there is nothing to do")


@archive.command(
    epilog=example(
        "daybook archive sql 'SELECT type, count(*) FROM events GROUP BY type ORDER BY 2 DESC'",
        "daybook archive sql \"SELECT time, data->>'$.region' AS region FROM orders\" --out orders.csv",
    )
)
@click.argument("text", metavar="SQL")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Into a file: .csv, .parquet or .json.")
@configured
def sql(settings: Settings, text: str, as_csv: bool, out: Path | None) -> None:
    """Ask the archive in SQL (DuckDB).

    The tables are orders, deliveries, support, calendar, feedback, and events (the first three together), with the
    columns partition, offset, arrival, type, source, id, time, subject, data (JSON) and value (as it arrived). An event
    that was sent twice is there twice.
    """
    from streams.history.archive.sql import export, opened, query, show

    folder, _ = _archived(settings.load())
    with opened(folder) as connection:
        if out is not None:
            export(connection, text, out)
            click.echo(f"written to {out}", err=True)
            return
        if as_csv:
            answer = query(connection, text)
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(answer.columns)
            writer.writerows(answer.rows)
        else:
            show(connection, text, SHOWN)


def _archived(config: Config) -> tuple[Path, list[Piece]]:
    from streams.history.archive.files import pieces_in
    from streams.history.archive.layout import chosen
    from streams.runtime.archivist import folder_of

    folder = folder_of(config)
    pieces = chosen(pieces_in(folder))
    if not pieces:
        raise click.UsageError(f"{folder}: nothing is archived there (daybook archive run does it, and daybook run)")
    return folder, pieces
