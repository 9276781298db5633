"""Incidents in a terminal, and their worklist as a table for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from streams.cli.harmless import printable
from streams.events.times import format_time
from streams.kpis.units import human, major, money

if TYPE_CHECKING:
    from detectors.incidents.incident import Assessment, Case, Incident, Symptom
    from streams.config import Config

STYLES = {"critical": "bold red", "warning": "yellow", "info": ""}
_SHARES = 4
"""Slices that are shown of a KPI."""
_CASES = 10
"""Lines of the worklist that are shown."""
COLUMNS = ("order", "tickets", "customer", "amount", "currency", "why", "since", "records")


def moment(config: Config, ms: int) -> str:
    """In the business's time."""
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(config.business.timezone)).strftime("%a %Y-%m-%d %H:%M")


def _hits(config: Config, found: Assessment) -> str:
    """How many orders and tickets, and what they are worth."""
    said = [f"{found.orders:,} orders ({money(found.amount, config.business.currency)})"] if found.orders else []
    return ", ".join([*said, *([f"{found.tickets:,} tickets"] if found.tickets else [])]) or "no orders"


def print_list(config: Config, incidents: Iterable[Incident]) -> None:
    """For each its id, then what is wrong, then since when, how bad, what it hits and who looks after it."""
    console = Console(highlight=False, soft_wrap=True)
    for one in incidents:
        found = one.assessment
        until = f" until {moment(config, one.snoozed_until)}" if one.state == "snoozed" else ""
        facts = [f"since {moment(config, one.since)}", f"{one.state}{until}", one.severity]
        if found is not None and (found.orders or found.tickets):
            facts.append(_hits(config, found))
        if one.owner:
            facts.append(printable(one.owner))
        console.print(Text(printable(one.id), "bold"))
        console.print(Text(f"  {printable(one.title)}", STYLES[one.severity] if one.live else "dim"))
        console.print(Text(f"  {', '.join(facts)}", "dim"))


def print_one(config: Config, one: Incident) -> None:
    """All that is known of it now."""
    console = Console(highlight=False, soft_wrap=True)

    def line(name: str, text: str) -> None:
        console.print(f"[dim]{name:10}[/]{escape(printable(text))}")

    console.print(Text(printable(one.title), f"bold {STYLES[one.severity]}".strip()))
    line("id", f"{one.id}, revision {one.revision}")
    line("state", f"{one.state}, {one.severity}" + (f", owner {one.owner}" if one.owner else ""))
    if one.state == "snoozed":
        line("", f"until {moment(config, one.snoozed_until)}")
    line("since", f"{moment(config, one.since)}, to {moment(config, one.until)}")
    line("about", ", ".join(f"{name} {value}" for name, value in sorted(one.scope.items())) or "everywhere alike")
    if one.kind == "pipeline":
        line("kind", "pipeline: the data are at fault, not the business")
    found = one.assessment
    if found is not None:
        line("hits", f"{_hits(config, found)}, {found.customers:,} customers")
        if found.explanation:
            line("because", found.explanation)
        if not found.complete:
            line("", "not all of its events could be looked through: there may be more")
    if one.symptoms:
        console.print(_symptoms(config, [each for each in one.symptoms if each.told]))
    for statistic, shares in one.shares.items():
        told = ", ".join(
            f"{' '.join(share.slice.values())} {share.share:.0%}" for share in shares[:_SHARES] if share.share > 0
        )
        if told:
            line("", f"{statistic}: of what it is off by, {told}")
    for change in one.history:
        who = f" by {change.by}" if change.by else ""
        line(moment(config, change.at)[4:], f" {change.what}{who}" + (f": {change.note}" if change.note else ""))
    if found is not None and found.cases:
        console.print(_cases(config, found.cases[:_CASES]))
        rest = found.orders + found.tickets - _CASES
        if rest > 0:
            console.print(f"and more; all of it: daybook incidents show {one.id} --worklist", style="dim", markup=False)


def _symptoms(config: Config, symptoms: Iterable[Symptom]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("KPI", "Slice", "Was", "Expected", "At its strangest"):
        table.add_column(heading, justify="right" if heading in ("Was", "Expected") else "left", overflow="fold")
    for one in symptoms:
        name = one.kpi if one.stat == "value" else f"{one.kpi} {one.stat}"
        low, _, high = (human(bound, one.unit, config.business.currency) for bound in one.expected)
        table.add_row(
            Text(name),
            Text(printable(" ".join(one.slice.values()))),
            human(one.value, one.unit, config.business.currency),
            f"{low} to {high}",
            Text(printable(one.why)),
        )
    return table


def _cases(config: Config, cases: Iterable[Case]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Order", "Tickets", "Worth", "Since", "Why"):
        table.add_column(heading, justify="right" if heading == "Worth" else "left", overflow="fold")
    for one in cases:
        table.add_row(
            Text(printable(one.order)),
            Text(printable(" ".join(one.tickets))),
            money(one.amount, config.business.currency) if one.amount else "",
            moment(config, one.since)[4:] if one.since else "",
            Text(printable(one.why)),
        )
    return table


def print_history(config: Config, revisions: Sequence[Incident]) -> None:
    """What was known when: a line for each record that is kept."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Revision", "State", "Severity", "What", "Orders", "Last of its history"):
        table.add_column(heading, justify="right" if heading in ("Revision", "Orders") else "left", overflow="fold")
    for one in revisions:
        last = one.history[-1]
        table.add_row(
            f"{one.revision}",
            one.state,
            one.severity,
            Text(printable(one.title)),
            "" if one.assessment is None else f"{one.assessment.orders:,}",
            Text(printable(f"{moment(config, last.at)} {last.what} {last.note}")),
        )
    Console(highlight=False).print(table)


def worklist_csv(config: Config, cases: Iterable[Case]) -> str:
    """A line for each order, or ticket without one. Amounts are in major units; ``records`` are the records that say
    so, as ``topic/partition/offset``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    currency = config.business.currency
    for one in cases:
        since = format_time(one.since) if one.since else ""
        amount = major(one.amount, currency) if one.amount else ""
        cells = (one.order, " ".join(one.tickets), one.customer, amount, currency, one.why, since, " ".join(one.places))
        writer.writerow([no_formula(cell) for cell in cells])
    return out.getvalue()


def no_formula(cell: str) -> str:
    """What a spreadsheet would take for a formula is marked as text."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
