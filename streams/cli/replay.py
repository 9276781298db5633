"""``daybook replay``: what was archived, run through the core again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from streams.cli.settings import Settings, configured, example

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command(
    epilog=example(
        "daybook replay --out last-month --since 2026-10-01 --until 2026-10-31",
        "daybook --config other.yaml replay --out under-other",
    )
)
@click.option("--since", type=_DAY, help="The first day of arrival (UTC) that is replayed.")
@click.option("--until", type=_DAY, help="The last one.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="A new folder: values as Parquet, incidents as JSON lines, a report."
)
@click.option("--detection/--no-detection", default=True, help="Judge values and make incidents, or count only.")
@configured
def replay(
    settings: Settings, since: datetime | None, until: datetime | None, out: Path | None, detection: bool
) -> None:
    """Run archived history through the core again: under the configuration as it is, apart from what is live."""
    config = settings.load()
    from streams.cli.replaying import progress_to, source_told
    from streams.history.replay.run import replay as run
    from streams.kpis.warm import warm

    source = source_told(config, since, until)
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
        from dashboards.report.write import write_report

        click.echo(f"{write_report(out)} can be opened in a browser")
