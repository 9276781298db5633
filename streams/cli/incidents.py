"""``daybook incidents``: what is wrong, since when and for whom, and what somebody does about it."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.settings import DURATION, Settings, configured, example

if TYPE_CHECKING:
    from detectors.incidents.feedback import What
    from detectors.incidents.incident import Incident
    from streams.config import Config

_ID = click.argument("incident", metavar="ID")
_BY = click.option("--by", help="Who says so; whoever is logged in unless given.")
_NOTE = click.option("--note", default="", help="Why, in a few words.")


@click.group(epilog=example("daybook incidents list", "daybook incidents ack orders_placed-20260302T1100"))
def incidents() -> None:
    """See what is wrong, and say what is done about it. An ID may be cut short while only one begins so."""


@incidents.command("list", epilog=example("daybook incidents list", "daybook incidents list --all --since 4w --json"))
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@click.option("--since", type=DURATION, help="Only those that anything was off of so lately.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@configured
def list_(settings: Settings, everything: bool, since: int | None, as_json: bool) -> None:
    """List the incidents, the newest first."""
    config = settings.attach()
    from streams.runtime.incidents import read_incidents

    oldest = 0 if since is None else time.time() * 1000 - since
    known = [revisions[-1] for revisions in read_incidents(config).values()]
    wanted = [one for one in known if (everything or one.live) and one.until >= oldest]
    wanted.sort(key=lambda one: (one.since, one.id), reverse=True)
    if as_json:
        for one in wanted:
            click.echo(one.encode().decode())
        return
    if not wanted:
        over = sum(not one.live for one in known)
        click.echo("no incidents" + (f"; {over} are over: daybook incidents list --all" if over else ""))
        return
    from streams.cli.incident_pages import print_list

    print_list(config, wanted)


@incidents.command(
    epilog=example(
        "daybook incidents show orders_placed-2026",
        "daybook incidents show deliveries-20260302T1100 --worklist > to-call.csv",
    )
)
@_ID
@click.option("--worklist", is_flag=True, help="The orders and tickets concerned, as CSV.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The CSV goes to this file.")
@click.option("--revision", type=int, help="As it was known then; revisions are listed by --history.")
@click.option("--history", is_flag=True, help="What was known when.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@configured
def show(
    settings: Settings,
    incident: str,
    worklist: bool,
    out: Path | None,
    revision: int | None,
    history: bool,
    as_json: bool,
) -> None:
    """Show one incident in full: expected against actual, whom it hits, why, and what was done."""
    config = settings.attach()
    from streams.cli.incident_pages import print_history, print_one
    from streams.runtime.incidents import find, read_incidents

    revisions = find(read_incidents(config), incident)
    one = revisions[-1]
    if revision is not None:
        numbers = {each.revision: each for each in revisions}
        if revision not in numbers:
            raise click.UsageError(f"{one.id} has no revision {revision} (kept are {min(numbers)} to {max(numbers)})")
        one = numbers[revision]
    if worklist or out is not None:
        _write_worklist(config, one, out)
    elif as_json:
        import msgspec

        click.echo(msgspec.json.format(one.encode()).decode())
    elif history:
        print_history(config, revisions)
    else:
        print_one(config, one)


def _write_worklist(config: Config, one: Incident, out: Path | None) -> None:
    from streams.cli.incident_pages import worklist_csv
    from streams.runtime.casework import worklist

    text = worklist_csv(config, worklist(config, one))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise click.UsageError(f"--out {out}: {error.strerror}") from None
    click.echo(f"{text.count(chr(10)) - 1:,} lines in {out}", err=True)


def _speaking(what: What, help_: str, *more: Any) -> click.Command:
    """A command that says something of an incident."""

    @_ID
    @_BY
    @_NOTE
    @configured
    def command(settings: Settings, incident: str, by: str | None, note: str, **given: Any) -> None:
        if "for_" in given:
            given = {"until": int(time.time() * 1000) + given["for_"]}
        _say(settings, what, incident, by, note, **given)

    for option in more:
        command = option(command)
    name = {"acknowledged": "ack", "snoozed": "snooze", "resolved": "resolve", "reopened": "reopen"}[what]
    usage = f"daybook incidents {name} orders_placed-20260302T1100" + (" --for 4h" if more else "")
    return click.command(name, help=help_, epilog=example(usage))(command)


_FOR = click.option("--for", "for_", type=DURATION, required=True, help="How long, like 4h or 2d.")

incidents.add_command(_speaking("acknowledged", "Say that somebody looks after it: they are its owner."))
incidents.add_command(_speaking("snoozed", "Hear nothing of it for a while, unless it gets worse.", _FOR))
incidents.add_command(_speaking("resolved", "Say that it is over."))
incidents.add_command(_speaking("reopened", "Say that it is not over."))


@incidents.command(
    epilog=example(
        "daybook incidents feedback orders_placed-20260302T1100 --false-alarm --note 'we moved the shop'",
        "daybook incidents feedback orders_placed-20260302T1100 --expected --for 2d",
        "daybook incidents feedback --missed --kpi on_time_ratio --where region=north --since 6h",
    )
)
@click.argument("incident", metavar="[ID]", required=False)
@click.option("--confirmed", is_flag=True, help="It was one: what it cost is given back.")
@click.option("--false-alarm", is_flag=True, help="It was none: its KPIs need more next time.")
@click.option("--expected", is_flag=True, help="It was planned: --for how long it goes on.")
@click.option("--missed", is_flag=True, help="Nobody was told of something: of --kpi, --since when.")
@click.option("--for", "for_", type=DURATION, help="How long what was expected goes on.")
@click.option("--kpi", "kpis", multiple=True, help="What showed it (again for another).")
@click.option("--where", multiple=True, metavar="NAME=VALUE", help="Which slice showed it.")
@click.option("--since", type=DURATION, help="How long ago it began.")
@_BY
@_NOTE
@configured
def feedback(
    settings: Settings,
    incident: str | None,
    confirmed: bool,
    false_alarm: bool,
    expected: bool,
    missed: bool,
    for_: int | None,
    kpis: tuple[str, ...],
    where: tuple[str, ...],
    since: int | None,
    by: str | None,
    note: str,
) -> None:
    """Say what an alert was worth, or that there was none: the detectors learn from it."""
    given = {"confirmed": confirmed, "false_alarm": false_alarm, "expected": expected, "missed": missed}
    said: list[What] = [name for name, is_given in given.items() if is_given]  # type: ignore[misc]
    if len(said) != 1:
        raise click.UsageError("say one of --confirmed, --false-alarm, --expected, --missed")
    (what,) = said
    if what != "expected" and for_ is not None:
        raise click.UsageError("--for belongs to --expected")
    if what != "missed" and (kpis or where or since is not None):
        raise click.UsageError("--kpi, --where and --since belong to --missed")
    if (what == "missed") == (incident is not None):
        raise click.UsageError("--missed is about no incident, all others are about one: its ID")
    now = int(time.time() * 1000)
    if what == "missed":
        if not kpis or since is None:
            raise click.UsageError("--missed needs --kpi and --since")
        scope = dict(_pair(text) for text in where)
        _missed(settings, by, note, kpis=kpis, scope=scope, since=now - since, until=now)
        return
    if what == "expected" and for_ is None:
        raise click.UsageError("--expected needs --for")
    assert incident is not None
    _say(settings, what, incident, by, note, **({} if for_ is None else {"until": now + for_}))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise click.UsageError(f"--where {text}: expected like region=north")
    return name, value


def _say(settings: Settings, what: What, incident: str, by: str | None, note: str, **more: Any) -> None:
    config = settings.attach()
    from streams.runtime import incidents as shell

    one = shell.find(shell.read_incidents(config), incident)[-1]
    became = shell.say(config, shell.feedback(what, by or getpass.getuser(), one, note=note, **more))
    assert became is not None
    from streams.cli.incident_pages import moment

    until = f" until {moment(config, became.snoozed_until)}" if became.state == "snoozed" else ""
    click.echo(f"{became.id}: {became.state}{until}" + (f", owner {became.owner}" if became.owner else ""))


def _missed(settings: Settings, by: str | None, note: str, **more: Any) -> None:
    config = settings.attach()
    from streams.runtime import incidents as shell

    known = {kpi.name for kpi in config.kpis}
    for kpi in more["kpis"]:
        if kpi not in known:
            raise click.UsageError(f"--kpi {kpi}: no such KPI (expected {', '.join(sorted(known))})")
    dimensions = {dimension.name for dimension in config.dimensions}
    for name in more["scope"]:
        if name not in dimensions:
            raise click.UsageError(f"--where {name}: no such dimension (expected {', '.join(sorted(dimensions))})")
    shell.say(config, shell.feedback("missed", by or getpass.getuser(), note=note, **more))
    click.echo("noted: " + ", ".join(more["kpis"]) + " will need less to alert for a while")
