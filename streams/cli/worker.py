"""``daybook worker``: one worker, until it is stopped."""

from __future__ import annotations

import click

from streams.cli.settings import Settings, configured, example


@click.command(epilog=example("daybook worker", "DAYBOOK_METRICS_PORT=9465 daybook worker"))
@configured
def worker(settings: Settings) -> None:
    """Run a worker: events in, KPIs out. Start several to share the partitions."""
    config = settings.attach()
    from streams.runtime.worker import run_worker

    run_worker(config)
