"""``daybook unlearn``: a time that was not normal, and what would be told since."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.settings import Settings, configured, example

if TYPE_CHECKING:
    from streams.config import Config
    from streams.history.lookback.unlearn import Unlearned


@click.command(
    epilog=example(
        "daybook unlearn orders_placed-20260302T1100",
        "daybook unlearn 2026-03-02 2026-03-09 --slice region=north --title 'depot flooded' --apply",
    )
)
@click.argument("what", metavar="INCIDENT | FROM TO", nargs=-1, required=True)
@click.option("--slice", "slices", multiple=True, metavar="NAME=VALUE", help="Whom it was about; all unless given.")
@click.option(
    "--from",
    "replayed",
    type=click.Path(path_type=Path, exists=True),
    help="A folder that a replay wrote has it.",
)
@click.option("--title", default="Not normal", show_default=True, help="What people read of it.")
@click.option("--apply", "apply_", is_flag=True, help="Say so on the calendar topic.")
@configured
def unlearn(
    settings: Settings,
    what: tuple[str, ...],
    slices: tuple[str, ...],
    replayed: Path | None,
    title: str,
    apply_: bool,
) -> None:
    """Say which later alerts change if nothing is learned from a time: that of an incident, or FROM … TO.

    Archived history is replayed twice, as it was and with an entry in the calendar for that time. --apply sends that
    entry: nobody is told of that time any more, and later replays learn nothing from it. What workers have learned
    already stays.
    """
    config = settings.attach() if apply_ or (len(what) == 1 and replayed is None) else settings.load()
    from streams.cli.replaying import period, progress_to, scope_of, source_told
    from streams.history.lookback.unlearn import entry_of
    from streams.history.lookback.unlearn import unlearn as find
    from streams.kpis.warm import warm

    if len(what) == 2:
        if replayed is not None:
            raise click.UsageError("--from belongs to an INCIDENT")
        (since, until), scope = period(config, *what), scope_of(config, slices)
    elif len(what) == 1:
        from streams.cli.golden import incident_of

        one = incident_of(config, what[0], replayed)
        since, until, scope = one.since, one.until, scope_of(config, slices) or one.scope
    else:
        raise click.UsageError("expected the id of an INCIDENT, or FROM and TO")
    entry = entry_of(since, until, scope, title, int(time.time() * 1000))
    source = source_told(config)
    warm()
    with progress_to(2 * source.records, "replaying twice") as told:
        first, before = 0, 0

        def progress(done: int, of: int) -> None:
            nonlocal first, before
            first, before = (first + before, done) if done < before else (first, done)
            told(first + done)

        found = find(config, source, entry, progress)
    _print(config, found)
    if not apply_:
        click.echo("said on the calendar topic with --apply")
        return
    from streams.runtime.calendar import announce

    announce(config, entry)
    click.echo(f"in the calendar: {entry.data.entry_id}; what workers have learned already stays")


def _print(config: Config, found: Unlearned) -> None:
    from rich.console import Console

    from streams.cli.alert_table import pair_table

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"alerts of that time of which nobody is told then: {sum(one.after is None for one in found.during)}")
    if found.later:
        console.print("what changes later:")
        console.print(pair_table(config, found.later))
    else:
        console.print("no later alert changes")
