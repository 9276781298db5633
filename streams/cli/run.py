"""``daybook run``: broker, topics, worker and simulator as one, and the table of KPIs."""

from __future__ import annotations

import sys

import click

from streams.cli.settings import DURATION, Settings, configured, example


@click.command(
    epilog=example(
        "daybook run",
        "daybook run --orders-per-day 2000 --history 2w",
        "daybook run --incident 'courier_outage start=+5m duration=2h carrier=postbird'",
        "daybook run --no-simulator",
    )
)
@click.option("--simulator/--no-simulator", default=True, help="With or without a simulated shop.")
@click.option("--orders-per-day", type=click.FloatRange(0, min_open=True), help="How busy the simulated shop is.")
@click.option("--history", type=DURATION, default="1w", show_default=True, help="How much past the simulated shop has.")
@click.option("--seed", type=int, help="Another seed, another shop.")
@click.option("--incident", "incidents", multiple=True, metavar="TEXT", help="Something that goes wrong; repeatable.")
@click.option("--archive/--no-archive", default=None, help="Keep events for good; by default if none are simulated.")
@click.option("--console/--no-console", default=True, help="With or without the web page.")
@click.option("--plain", is_flag=True, help="Log lines instead of the table, as without a terminal.")
@configured
def run(
    settings: Settings,
    simulator: bool,
    orders_per_day: float | None,
    history: int,
    seed: int | None,
    incidents: tuple[str, ...],
    archive: bool | None,
    console: bool,
    plain: bool,
) -> None:
    """Run everything as one: broker, worker, a simulated shop, and the KPIs in this terminal."""
    from streams.cli.running import Run
    from streams.runtime.instance import claimed

    arguments: list[str] | None = None
    if simulator:
        arguments = [word for incident in incidents for word in ("--incident", incident)]
        for option, value in (("--orders-per-day", orders_per_day), ("--seed", seed)):
            if value is not None:
                arguments += [option, str(value) if isinstance(value, int) else f"{value:g}"]
        arguments += ["--history", f"{history // 1000}s"]
    config = settings.load()
    with claimed(config.data_dir, config.namespace):
        archive = not simulator if archive is None else archive
        Run(settings, arguments, table=sys.stdout.isatty() and not plain, archive=archive, console=console).go()
