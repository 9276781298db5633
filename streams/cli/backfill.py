"""``daybook backfill``: what was archived, as the history of a Prometheus."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.settings import DAY, DURATION, Settings, configured, example

if TYPE_CHECKING:
    from streams.config import Config
    from streams.history.backfill.run import Filled, Period


@click.command(
    epilog=example(
        "daybook backfill --data-dir /var/lib/prometheus/metrics2",
        "daybook backfill --data-dir data --since 2026-10-01 --until 2026-10-31 --step 2m",
    )
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    required=True,
    help="Prometheus's data folder (its --storage.tsdb.path); one may run on it.",
)
@click.option(
    "--from",
    "replayed",
    type=click.Path(path_type=Path),
    help="A folder that a replay wrote, in place of the archive: no windows but those as long as a grain.",
)
@click.option("--since", type=DAY, help="The first day (UTC) that is filled in.")
@click.option("--until", type=DAY, help="The last one.")
@click.option(
    "--step", type=DURATION, default="4m", show_default=True, help="How far samples are apart, 5m at the most."
)
@click.option("--job", default="daybook", show_default=True, help="The job that scrapes these workers in Prometheus.")
@configured
def backfill(
    settings: Settings,
    data_dir: Path,
    replayed: Path | None,
    since: datetime | None,
    until: datetime | None,
    step: int,
    job: str,
) -> None:
    """Fill in the history of a Prometheus from the archive, so that dashboards show it.

    All of the archive is replayed under the configuration as it is, so that windows, levels and what is expected are
    what they were; of the days asked for there are samples then.
    """
    from streams.history.backfill.run import LONGEST_STEP_MS, Period

    if not 1000 <= step <= LONGEST_STEP_MS:
        raise click.UsageError("--step: expected 1s to 5m; Prometheus shows a sample for five minutes, no longer")
    if since is not None and until is not None and since > until:
        raise click.UsageError(f"--since {since:%Y-%m-%d} --until {until:%Y-%m-%d}: ends before it begins")
    config = settings.load()
    from streams.history.archive.layout import midnight
    from streams.history.backfill.folder import held
    from streams.history.backfill.promtool import promtool
    from streams.kpis.grid import DAY_MS

    # Said before the work, and not after it.
    promtool()
    with held(data_dir):
        pass
    period = Period(
        since=0 if since is None else midnight(since.date()),
        until=midnight((until or datetime.max).date()) + DAY_MS - 1,
        step=step,
    )
    filled = (_from_archive if replayed is None else partial(_from_folder, replayed))(config, data_dir, period, job)
    _tell(filled, data_dir)


def _from_archive(config: Config, data_dir: Path, period: Period, job: str) -> Filled:
    from streams.cli.replaying import progress_to, source_told
    from streams.history.backfill.run import backfill as run
    from streams.kpis.warm import warm

    source = source_told(config)
    warm()
    with progress_to(source.records, "backfilling") as progress:
        return run(config, source, data_dir, period, job, _now(), progress)


def _from_folder(replayed: Path, config: Config, data_dir: Path, period: Period, job: str) -> Filled:
    from streams.cli.replaying import progress_to
    from streams.history.backfill.replayed import Replayed, windows_missing
    from streams.history.backfill.run import backfill_replayed as run

    history, without = Replayed(config, replayed), windows_missing(config)
    if without:
        click.echo(
            f"warning: of windows over {', '.join(without)} nothing is in {replayed}; the archive has all", err=True
        )
    with progress_to(history.days, "backfilling") as progress:
        return run(history, data_dir, period, job, _now(), progress)


def _tell(filled: Filled, folder: Path) -> None:
    click.echo(f"{folder}: {_moment(filled.since)} to {_moment(filled.until)} filled in")
    size = f"{filled.bytes / (1 << 20):,.1f} MiB"
    click.echo(
        f"{filled.samples:,} samples of {filled.series:,} series in {filled.blocks:,} blocks, {size}, "
        f"in {filled.seconds:.1f} s"
    )
    if filled.there:
        click.echo(f"{filled.there:,} times were filled in before, and left as they are")
    if filled.kept_back is not None:
        click.echo(f"nothing from {_moment(filled.kept_back)} on: what is newer Prometheus has to keep itself")


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _now() -> int:
    return int(time.time() * 1000)
