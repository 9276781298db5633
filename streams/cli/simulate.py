"""``daybook simulate``: the events of a shop that does not exist."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from streams.cli.settings import DURATION, Settings, configured, example


@click.command(
    epilog=example(
        "daybook simulate",
        "daybook simulate --orders-per-day 2000 --history 4w",
        "daybook simulate --history 4w --duration 0s --incidents-per-week 1.5",
        "daybook simulate --incident 'courier_outage start=+5m duration=2h carrier=postbird'",
        "daybook simulate --list-incidents",
    )
)
@click.option(
    "--orders-per-day",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    help="On average.",
)
@click.option("--history", type=DURATION, default="2w", show_default=True, help="Past to send first, at once.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another shop.")
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Times real time.",
)
@click.option("--duration", type=DURATION, help="Stop so long after the history.  [default: never]")
@click.option("--max-events", type=click.IntRange(1), help="Stop after so many events.")
@click.option("--incident", "incidents", multiple=True, metavar="TEXT", help="Something that goes wrong; repeatable.")
@click.option("--incidents-per-week", type=click.FloatRange(0), default=0.0, help="Random ones in the history.")
@click.option("--labels", type=click.Path(path_type=Path, dir_okay=False), help="Where to write what went wrong when.")
@click.option("--stragglers", type=click.FloatRange(0, 1), default=0.0, help="Share of events that come minutes late.")
@click.option("--duplicates", type=click.FloatRange(0, 1), default=0.0, help="Share of events sent twice.")
@click.option("--list-incidents", is_flag=True, help="List what can go wrong, and end.")
@configured
def simulate(
    settings: Settings,
    orders_per_day: float,
    history: int,
    seed: int,
    speed: float,
    duration: int | None,
    max_events: int | None,
    incidents: tuple[str, ...],
    incidents_per_week: float,
    labels: Path | None,
    stragglers: float,
    duplicates: float,
    list_incidents: bool,
) -> None:
    """Send the events of a simulated shop: its past at once, then its present as it happens."""
    if list_incidents:
        _list_incidents()
        return
    config = settings.attach()
    from streams.ingest.simulator import SimulatorSettings
    from streams.ingest.simulator.run import run_simulator
    from streams.runtime.logs import configure_logging
    from streams.runtime.topics import create_topics

    configure_logging()
    create_topics(config)
    shop = SimulatorSettings(
        start=0,  # the run decides
        seed=seed,
        orders_per_day=orders_per_day,
        stragglers=stragglers,
        duplicates=duplicates,
    )
    run_simulator(
        config,
        shop,
        history=timedelta(milliseconds=history),
        speed=speed,
        duration=None if duration is None else timedelta(milliseconds=duration),
        max_events=max_events,
        incidents=incidents,
        incidents_per_week=incidents_per_week,
        labels=labels,
    )


def _list_incidents() -> None:
    from streams.ingest.simulator import CATALOGUE

    for name, kind in CATALOGUE.items():
        scope = f" (scope: {', '.join(kind.scope)})" if kind.scope else ""
        click.echo(f"{name}{scope}")
        click.echo(f"    {kind.about} Strength: {kind.strength}.")
