"""``daybook golden``: incidents that are to be found again, whatever becomes of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.settings import DURATION, Settings, configured, example

if TYPE_CHECKING:
    from detectors.incidents.incident import Incident
    from streams.config import Config

FAILED = 1
_FOLDER = click.option(
    "--golden",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where they are; golden unless given, beside the configuration.",
)


@click.group(epilog=example("daybook golden add orders_placed-20260302T1100", "daybook golden check"))
def golden() -> None:
    """Keep incidents with their events and what is to be found of them, and check that it still is."""


@golden.command(
    epilog=example(
        "daybook golden add orders_placed-20260302T1100",
        "daybook golden add orders_placed-20260302T1100 --from october --within 4h",
    )
)
@click.argument("incident", metavar="INCIDENT")
@click.option(
    "--from", "replayed", type=click.Path(path_type=Path, exists=True), help="A folder that a replay wrote has it."
)
@click.option("--before", type=DURATION, default="5w", show_default=True, help="How much history is kept before it.")
@click.option("--within", type=DURATION, help="How soon it is to be told; as soon as now unless given.")
@_FOLDER
@configured
def add(
    settings: Settings, incident: str, replayed: Path | None, before: int, within: int | None, folder: Path | None
) -> None:
    """Keep an incident: its events, and what a replay of them finds now."""
    config = settings.load() if replayed is not None else settings.attach()
    from streams.history.lookback.golden import add as keep
    from streams.history.lookback.golden import first_day
    from streams.kpis.units import span
    from streams.kpis.warm import warm
    from streams.runtime.archivist import folder_of

    one, archive = incident_of(config, incident, replayed), folder_of(config)
    oldest = first_day(archive)
    if oldest is not None:
        from streams.history.archive.layout import day_of

        if oldest.day > day_of(one.since - before):
            click.echo(f"warning: the archive begins on {oldest.day}, later than asked for", err=True)
    warm()
    kept = keep(config, archive, _folder(config, folder), one, before, within)
    _warn(_folder(config, folder), kept.id)
    expected = kept.expected
    click.echo(f"{kept.id}: to be told within {span(expected.within)}, cause {expected.cause or 'none'}")
    click.echo(f"other alerts in the history that is kept: {expected.others} at most")


@golden.command(epilog=example("daybook golden check", "daybook --config new.yaml golden check --json"))
@click.argument("wanted", metavar="[ID]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per incident.")
@_FOLDER
@configured
def check(settings: Settings, wanted: tuple[str, ...], as_json: bool, folder: Path | None) -> int:
    """Replay golden incidents under the configuration. The exit status is 1 where any is lost, told later or taken for
    something else, or there are more other alerts than expected."""
    config = settings.load()
    import msgspec

    from streams.history.lookback.compare import plain
    from streams.history.lookback.golden import check as run
    from streams.history.lookback.golden import names
    from streams.kpis.units import span
    from streams.kpis.warm import warm

    place = _folder(config, folder)
    all_ = list(wanted) or names(place)
    if not all_:
        raise click.UsageError(f"{place}: there are no golden incidents (daybook golden add)")
    warm()
    failed = 0
    for one in run(config, place, all_):
        failed += bool(one.failures)
        _warn(place, one.golden.id)
        alert = one.found.alert
        if as_json:
            said = {
                "id": one.golden.id,
                "failures": one.failures,
                "alert": plain(alert),
                "cause": one.found.cause,
                "others": [plain(other) for other in one.found.others],
            }
            click.echo(msgspec.json.encode(said).decode())
            continue
        took = "" if alert is None else f"told after {span(alert.end - one.golden.about.since)}, "
        click.echo(f"{'FAILED' if one.failures else 'ok'}  {one.golden.id}: {took}{len(one.found.others)} other alerts")
        for line in one.failures:
            click.echo(f"        {line}")
    if not as_json:
        click.echo(f"{len(all_)} checked, {failed} failed")
    return FAILED if failed else 0


@golden.command("ls", epilog=example("daybook golden ls"))
@_FOLDER
@configured
def list_(settings: Settings, folder: Path | None) -> None:
    """List the golden incidents."""
    config = settings.load()
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from streams.cli.harmless import printable
    from streams.cli.incident_pages import moment
    from streams.history.lookback.golden import names, read
    from streams.kpis.units import span

    place = _folder(config, folder)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("Incident", "Title", "Since", "Within", "Others"):
        table.add_column(heading, no_wrap=heading == "Incident")
    found = [read(place, name) for name in names(place)]
    for one in found:
        since, within = moment(config, one.about.since), span(one.expected.within)
        table.add_row(Text(printable(one.id)), Text(printable(one.title)), since, within, str(one.expected.others))
    if found:
        Console(highlight=False, soft_wrap=True).print(table)
    else:
        click.echo(f"no golden incidents in {place}")


@golden.command("rm", epilog=example("daybook golden rm orders_placed-20260302T1100"))
@click.argument("incident", metavar="ID")
@_FOLDER
@configured
def remove(settings: Settings, incident: str, folder: Path | None) -> None:
    """Forget a golden incident, with its events."""
    config = settings.load()
    from streams.history.lookback.golden import remove as forget

    forget(_folder(config, folder), incident)
    click.echo(f"{incident}: removed")


def _folder(config: Config, given: Path | None) -> Path:
    """Beside the configuration; in the working directory where that is the one that comes with Daybook."""
    from streams.config import PACKAGED

    if given is not None:
        return given
    return Path("golden") if config.source.resolve() == PACKAGED else config.source.parent / "golden"


def _warn(folder: Path, name: str) -> None:
    """Of what is missing of the events."""
    from streams.history.lookback.golden import events_of
    from streams.history.replay.source import missing

    for line in missing(events_of(folder, name)):
        click.echo(f"warning: {name}: {line}", err=True)


def incident_of(config: Config, name: str, replayed: Path | None) -> Incident:
    """The incident of that id, or of the only one whose id begins so: of the live topic, or of what was replayed."""
    from streams.runtime.incidents import find, read_incidents

    if replayed is None:
        return find(read_incidents(config), name)[-1]
    from streams.history.lookback.runs import incidents_of

    return find({one.id: [one] for one in incidents_of(replayed)}, name)[-1]
