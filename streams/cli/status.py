"""``daybook status``: how far the workers are, and what went wrong on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from streams.cli.settings import Settings, configured, example

if TYPE_CHECKING:
    from streams.runtime.status import Status


@click.command(epilog=example("daybook status", "daybook status --json | jq '.partitions[].lag'"))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@configured
def status(settings: Settings, as_json: bool) -> None:
    """Say how the pipeline stands: lag, watermarks, late and repeated events, dead letters."""
    from streams.runtime.status import take_status

    found = take_status(settings.attach())
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found)))
        return
    _print(found)


def _print(found: Status) -> None:
    from rich.console import Console
    from rich.table import Table

    from streams.kpis.units import NOTHING, age

    console = Console(highlight=False)
    console.print(f"broker   {found.bootstrap}, namespace {found.namespace}", markup=False)
    workers = found.workers
    if workers is None:
        console.print("workers  none answers", style="yellow")
    else:
        console.print(f"workers  {', '.join(workers.urls)}", markup=False)
        console.print(
            f"events   {workers.events:,} read since the start, {workers.late:,} late, "
            f"{workers.duplicates:,} repeated; {workers.open_cases:,} cases, {workers.series:,} series kept",
            soft_wrap=True,
        )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Topic", "Partition", "Records to", "Lag", "Event time"):
        table.add_column(heading, justify="left" if heading == "Topic" else "right", no_wrap=True)
    topic = ""
    for part in found.partitions:
        watermark = NOTHING if part.watermark is None else f"{age(found.at - part.watermark)} behind"
        lag = NOTHING if part.lag is None else f"{part.lag:,}"
        table.add_row(part.topic if part.topic != topic else "", f"{part.partition}", f"{part.end:,}", lag, watermark)
        topic = part.topic
    console.print(table if found.partitions else "no event topics; create them: daybook topics create")
    letters = {name: count for name, count in found.dead_letters.items() if count}
    if not letters:
        console.print("no dead letters")
    for name, count in letters.items():
        console.print(f"{count:,} records of dead letters in {name}: daybook dlq list", style="yellow")
