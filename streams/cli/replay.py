"""``daybook replay``: what was archived, or is in files or topics, run through the core again."""

from __future__ import annotations

from pathlib import Path

import click

from streams.cli.settings import Settings, configured, example

_PATH = click.Path(path_type=Path)


@click.command(
    epilog=example(
        "daybook replay --out last-month --since 2026-10-01 --until 2026-10-31",
        "daybook --config other.yaml replay --out under-other",
        "daybook replay --files events/*.jsonl.gz",
        "daybook replay --kafka --since 2026-10-01T12:00 --until 2026-10-01T18:00",
    )
)
@click.option("--files", type=_PATH, multiple=True, metavar="FILE…", help="From files, one event a line; - is stdin.")
@click.argument("more", type=_PATH, nargs=-1, metavar="")
@click.option("--kafka", is_flag=True, help="From the topics, as far as they go now.")
@click.option("--since", metavar="DAY|TIME", help="From when on, by arrival (in files: when it happened).")
@click.option("--until", metavar="DAY|TIME", help="Up to when: with that day, but before that time.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="A new folder: values as Parquet, incidents as JSON lines."
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
    out: Path | None,
    detection: bool,
) -> None:
    """Run archived history through the core again: under the configuration as it is, apart from what is live.

    Or what files hold, or the topics still do. A DAY is one of UTC; a TIME is in the business's time zone unless it
    says otherwise, like 2026-10-01T12:00Z.
    """
    from streams.cli.sources import between, files_meant, source_chosen

    wanted = files_meant(files, more, kafka)
    config = settings.attach() if kafka else settings.load()
    period = between(config, since, until)
    from streams.cli.replaying import progress_to
    from streams.history.replay.run import replay as run
    from streams.kpis.warm import warm

    with source_chosen(config, wanted, kafka, period) as source:
        warm()
        with progress_to(source.records, "replaying") as progress:
            summary = run(config, source, out, detect=detection, progress=lambda done, _: progress(done))
    counts, rate = summary.counts, summary.counts.records / max(summary.seconds, 1e-9)
    click.echo(f"{counts.records:,} records in {summary.seconds:.1f} s, {rate:,.0f} a second")
    click.echo(f"{counts.events:,} events counted, {counts.heartbeats:,} heartbeats")
    click.echo(f"not counted: {counts.duplicates:,} repeats, {counts.late:,} late, {counts.rejected:,} that are none")
    click.echo(f"{summary.values:,} values, {summary.alerts:,} alerts, {summary.incidents:,} incidents")
    if out is not None:
        click.echo(f"written to {out}")
