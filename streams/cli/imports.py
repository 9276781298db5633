"""``daybook import``: a shop's own exports as events."""

from __future__ import annotations

import click

from streams.cli.settings import Settings, configured, example


@click.command("import", epilog=example("daybook import --mapping orders.yaml orders.csv"))
@configured
def import_(settings: Settings) -> None:
    """Import a shop's own exports."""
