"""``daybook top``: the live table of KPIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from streams.cli.settings import DURATION, Settings, configured, example

if TYPE_CHECKING:
    from streams.config import Config
    from streams.top.rows import Choice


@click.command(
    epilog=example(
        "daybook top",
        "daybook top --by region --kpi on_time",
        "daybook top --window 24h --once",
        "daybook top --json | jq '.rows[].value'",
    )
)
@click.option(
    "--kpi",
    "kpis",
    multiple=True,
    metavar="NAME",
    help="Only this KPI, or those whose names begin with it; repeatable.",
)
@click.option("--by", metavar="DIMENSION[,…]", help="Show the slices by this dimension too.")
@click.option("--window", metavar="SPAN", help="Which rolling window, like 1h or 24h; 'all' for all.")
@click.option("--since", type=DURATION, default="2d", show_default=True, help="How far back to read.")
@click.option("--once", is_flag=True, help="Print one table and end.")
@click.option("--json", "as_json", is_flag=True, help="Print the values as JSON and end.")
@configured
def top(
    settings: Settings,
    kpis: tuple[str, ...],
    by: str | None,
    window: str | None,
    since: int,
    once: bool,
    as_json: bool,
) -> None:
    """Show the KPIs as they change, in this terminal."""
    choice = chosen(settings.load(), kpis, by, window)
    config = settings.attach()
    import signal
    import threading

    from rich.console import Console

    from streams.top.board import Board
    from streams.top.catalog import Catalog
    from streams.top.feed import KpiFeed
    from streams.top.probe import Probe
    from streams.top.rows import build
    from streams.top.screen import View, as_json_text, reading, watch

    catalog = Catalog.from_config(config)
    board, console = Board(), Console(highlight=False)
    with KpiFeed(config, board, since) as feed:
        live = console.is_terminal and not once and not as_json
        complete = live or feed.catch_up(120.0)
        if not complete:
            click.echo("daybook: not everything was read within 2 minutes; see --since", err=True)
        if as_json:
            click.echo(as_json_text(build(board, catalog, choice), board))
            return
        probe = Probe(config, board)
        view = View(
            board,
            catalog,
            choice,
            config.business.timezone,
            behind=probe.behind,
            notes=lambda: [*reading(feed.progress), *probe.notes()],
            warnings=probe.warnings,
        )
        if not live:
            console.print(view.screen(whole=True))
            return
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.set())
        with probe:
            watch(view, feed, console, lambda: not stop.is_set())


def chosen(config: Config, kpis: tuple[str, ...], by: str | None, window: str | None) -> Choice:
    """What the options ask for. Raises ``click.UsageError`` for what is not in the configuration."""
    from streams.config.readers import parse_span
    from streams.top.rows import Choice

    names = [kpi.name for kpi in config.kpis]
    chosen_kpis = tuple(dict.fromkeys(name for wanted in kpis for name in _named(wanted, names)))
    dimensions = [dimension.name for dimension in config.dimensions]
    by_ = tuple(part.strip() for part in by.split(",")) if by else ()
    for dimension in by_:
        if dimension not in dimensions:
            raise click.UsageError(f"--by {dimension}: not a dimension (there are {', '.join(dimensions)})")
    slices = {tuple(sorted(by)) for kpi in config.kpis for by in kpi.by}
    if by_ and tuple(sorted(by_)) not in slices:
        raise click.UsageError(f"--by {by}: no KPI is sliced by that combination (see by: in the configuration)")
    if window is None or window == "all":
        return Choice(chosen_kpis, by_, None if window is None else 0)
    try:
        return Choice(chosen_kpis, by_, parse_span(window).ms)
    except ValueError as error:
        raise click.UsageError(f"--window: {error}") from None


def _named(wanted: str, names: list[str]) -> list[str]:
    """The KPIs a name means: the one of that name, else those that begin with it, else those that contain
    it."""
    if wanted in names:
        return [wanted]
    found = [name for name in names if name.startswith(wanted)] or [name for name in names if wanted in name]
    if not found:
        raise click.UsageError(f"--kpi {wanted}: no KPI has that in its name (there are {', '.join(names)})")
    return found
