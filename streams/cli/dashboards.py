"""``daybook dashboards``: Grafana's dashboards, and incidents marked on them."""

from __future__ import annotations

import time
from collections import Counter

import click

from streams.cli.settings import DURATION, Settings, configured, example


@click.group(epilog=example("daybook dashboards publish", "daybook dashboards annotate"))
def dashboards() -> None:
    """Publish dashboards to Grafana, and mark incidents there."""


@dashboards.command(epilog=example("DAYBOOK_GRAFANA_TOKEN=glsa_… daybook dashboards publish"))
@configured
def publish(settings: Settings) -> None:
    """Publish the dashboards of your KPIs to the Grafana that grafana: names. What has not changed is left alone.

    A dashboard that somebody saves at the same time is not overwritten.
    """
    config = settings.load()
    from dashboards.grafana.client import Grafana
    from dashboards.grafana.publish import publish as published
    from streams.cli.harmless import printable

    with Grafana(config, settings.environment) as grafana:
        for one in published(grafana, config):
            click.echo(f"{one.outcome:<10} {one.title:<18} {printable(one.url)}")


@dashboards.command(epilog=example("daybook dashboards annotate", "daybook dashboards annotate --since 4w"))
@click.option(
    "--since", type=DURATION, default="1w", show_default=True, help="How long ago they were off last, at most."
)
@configured
def annotate(settings: Settings, since: int) -> None:
    """Mark incidents in Grafana, each as a region of its time. Run again, it changes what has changed since."""
    config = settings.attach()
    from dashboards.grafana.client import Grafana
    from dashboards.grafana.marking import mark
    from streams.runtime.incidents import read_incidents

    oldest = int(time.time() * 1000) - since
    newest = [revisions[-1] for revisions in read_incidents(config).values()]
    wanted = sorted((one for one in newest if one.until >= oldest), key=lambda one: (one.since, one.id))
    with Grafana(config, settings.environment) as grafana:
        counted = Counter(one.outcome for one in mark(grafana, config, wanted))
    if not wanted:
        click.echo("there are no incidents of that time")
        return
    told = ", ".join(f"{counted[outcome]} {outcome}" for outcome in ("added", "changed", "removed", "unchanged"))
    click.echo(f"{len(wanted)} incidents: {told}")
