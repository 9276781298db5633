"""``daybook simulate``: a shop that does not exist."""

from __future__ import annotations

import click

from streams.cli.settings import Settings, configured, example


@click.command(epilog=example("daybook simulate --orders-per-day 2000"))
@configured
def simulate(settings: Settings) -> None:
    """Send the events of a simulated shop."""
