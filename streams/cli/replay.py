"""``daybook replay``: what was archived, or is in files or topics, run through the core again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.harmless import printable
from streams.cli.pacing import MAX, Speed
from streams.cli.settings import Settings, configured, example

if TYPE_CHECKING:
    from streams.config import Config
    from streams.history.replay.results import Summary
    from streams.history.replay.source import Source

_PATH = click.Path(path_type=Path)


@click.command(
    epilog=example(
        "daybook replay --out last-month --since 2026-10-01 --until 2026-10-31",
        "daybook --config other.yaml replay --out under-other",
        "daybook replay --files events/*.jsonl.gz --speed 3600x",
        "daybook replay --kafka --since 2026-10-01T12:00 --until 2026-10-01T18:00",
    )
)
@click.option("--files", type=_PATH, multiple=True, metavar="FILE…", help="From files, one event a line; - is stdin.")
@click.argument("more", type=_PATH, nargs=-1, metavar="")
@click.option("--kafka", is_flag=True, help="From the topics, as far as they go now.")
@click.option("--since", metavar="DAY|TIME", help="From when on, by arrival (in files: when it happened).")
@click.option("--until", metavar="DAY|TIME", help="Up to when: with that day, but before that time.")
@click.option(
    "--speed",
    type=Speed(),
    default=MAX,
    show_default=True,
    metavar="N|max",
    help="How many times faster than it happened, like 60x: what is told comes as it came.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="A new folder: values as Parquet, incidents as JSON lines, a report."
)
@click.option("--detection/--no-detection", default=True, help="Judge values and make incidents, or count only.")
@configured
def replay(
    settings: Settings,
    files: tuple[Path, ...],
    more: tuple[Path, ...],
    kafka: bool,
    since: str | None,
    until: str | None,
    speed: float | None,
    out: Path | None,
    detection: bool,
) -> None:
    """Run archived history through the core again: under the configuration as it is, apart from what is live.

    Or what files hold, or the topics still do. A DAY is one of UTC; a TIME is in the business's time zone unless it
    says otherwise, like 2026-10-01T12:00Z.
    """
    from streams.cli.sources import between, files_meant, source_chosen

    wanted = files_meant(files, more, kafka)
    if speed is not None and not detection:
        raise click.UsageError("--speed is for what is told, and with --no-detection nothing is")
    config = settings.attach() if kafka else settings.load()
    period = between(config, since, until)
    from streams.history.replay.results import must_be_new
    from streams.kpis.warm import warm

    if out is not None:
        must_be_new(out)  # said before the work, and not after it

    with source_chosen(config, wanted, kafka, period) as source:
        warm()
        try:
            summary = _run(config, source, _origin(config, wanted, kafka), speed, out, detection)
        except KeyboardInterrupt:
            click.echo("stopped; nothing was written" if out is not None else "stopped", err=True)
            raise
    counts, rate = summary.counts, summary.counts.records / max(summary.seconds, 1e-9)
    click.echo(f"{counts.records:,} records in {summary.seconds:.1f} s, {rate:,.0f} a second")
    click.echo(f"{counts.events:,} events counted, {counts.heartbeats:,} heartbeats")
    click.echo(f"not counted: {counts.duplicates:,} repeats, {counts.late:,} late, {counts.rejected:,} that are none")
    click.echo(f"{summary.values:,} values, {summary.alerts:,} alerts, {summary.incidents:,} incidents")
    if out is not None:
        click.echo(f"written to {out}")
        from dashboards.report.write import write_report

        click.echo(f"{write_report(out)} can be opened in a browser")


def _origin(config: Config, files: list[Path], kafka: bool) -> str:
    """Where the events are from; empty for the archive, which says so itself."""
    if kafka:
        return f"the topics of {config.namespace} at {config.kafka.bootstrap}"
    return ", ".join("standard input" if str(path) == "-" else printable(str(path)) for path in files)


def _run(
    config: Config, source: Source, origin: str, speed: float | None, out: Path | None, detection: bool
) -> Summary:
    from streams.cli.pacing import on_terminal
    from streams.cli.replaying import progress_to
    from streams.history.replay.run import replay as run

    if speed is None:
        with progress_to(source.records, "replaying") as progress:
            return run(config, source, out, detect=detection, progress=lambda done, _: progress(done), origin=origin)
    with on_terminal(config, speed, source.records) as terminal:
        return run(
            config,
            source,
            out,
            progress=lambda done, _: terminal.progress(done),
            processes=1,
            through=terminal.through,
            origin=origin,
        )
