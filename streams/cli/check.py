"""``daybook config``: is the configuration right?"""

from __future__ import annotations

import click

from streams.cli.settings import Settings, configured, example


@click.group(epilog=example("daybook config check"))
def config() -> None:
    """Look at the configuration."""


@config.command(epilog=example("daybook config check", "daybook --config shop.yaml config check"))
@configured
def check(settings: Settings) -> None:
    """Check the configuration: every mistake in one line, with file, line, key and what was expected.

    What notify: takes from the environment has to be there, as it has for a worker.
    """
    from streams.runtime.notify.channels import channels_of

    found = settings.load()
    told = [channel.name for channel in channels_of(found, settings.environment)]
    click.echo(f"{found.source}: {len(found.kpis)} KPIs, {len(found.dimensions)} dimensions")
    click.echo(f"broker {found.kafka.bootstrap}{' (embedded)' if found.kafka.embedded else ''}")
    click.echo(f"namespace {found.namespace}, data in {found.data_dir}")
    click.echo(f"told of incidents: {', '.join(told) or 'nobody'}")
