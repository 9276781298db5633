"""``daybook promises``: which open orders and tickets will miss what they were promised."""

from __future__ import annotations

import csv
import sys
import time
from typing import TYPE_CHECKING

import click

from streams.cli.settings import DURATION, Settings, configured, example

if TYPE_CHECKING:
    from detectors.casework.promises import Forecast
    from streams.config import Config


@click.command(epilog=example("daybook promises", "daybook promises --within 6h --csv > to-hurry.csv"))
@click.option("--within", type=DURATION, default="24h", show_default=True, help="How far to look ahead.")
@click.option("--csv", "as_csv", is_flag=True, help="The fifty most endangered as CSV, the likeliest to be late first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per promise.")
@configured
def promises(settings: Settings, within: int, as_csv: bool, as_json: bool) -> None:
    """Say how many open orders and tickets will miss what they were promised, and which are the most endangered.

    It is learned from those of the last two weeks: how long what had come as far, at such an hour of such a day, still
    took. Time is that of the newest event.
    """
    config = settings.attach()
    import msgspec

    from detectors.casework.promises import Promises, targets
    from streams.kpis.grid import DAY_MS
    from streams.runtime.casework import DAYS, read_cases

    ledger = read_cases(config, int(time.time() * 1000) - DAYS * DAY_MS)
    if not len(ledger):
        raise click.UsageError("there are no events yet")
    at = ledger.newest
    found = [Promises(ledger, target, at).forecast_of(ledger, at, within) for target in targets(config.definitions())]
    if as_json:
        for one in found:
            click.echo(msgspec.json.encode(one).decode())
    elif as_csv:
        _write(found)
    else:
        _print(config, found)


def _write(forecasts: list[Forecast]) -> None:
    from streams.events.times import format_time

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("promise", "order", "ticket", "chance to miss it", "promised", "has come as far as"))
    for forecast in forecasts:
        for one in forecast.endangered:
            chance, due = f"{one.chance:.2f}", format_time(one.promised)
            writer.writerow((forecast.kpi, one.order, one.ticket, chance, due, one.stage))


def _print(config: Config, forecasts: list[Forecast]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from streams.cli.harmless import printable
    from streams.cli.incident_pages import moment

    console = Console(highlight=False, soft_wrap=True)
    if not forecasts:
        console.print("no KPI says that anything is promised: a ratio of promises kept, or of answers within a while")
    for forecast in forecasts:
        console.print(Text(forecast.text, "bold"))
        if forecast.overdue:
            console.print(f"  {forecast.overdue:,} have missed theirs already", markup=False)
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in ("  Most endangered", "Chance", "Promised", "Has come as far as"):
            table.add_column(heading, justify="right" if heading == "Chance" else "left")
        for one in forecast.endangered[:10]:
            name = Text(f"  {printable(one.ticket or one.order)}")
            table.add_row(name, f"{one.chance:.0%}", moment(config, one.promised), Text(printable(one.stage)))
        if forecast.endangered:
            console.print(table)
