"""What is shown of an incident, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dashboards.console.words import usual
from detectors.incidents.attribution import Share
from detectors.incidents.incident import Case, Incident, Severity, Symptom
from detectors.notification.message import News
from streams.kpis.units import age, human, money

_RANK: dict[Severity, int] = {"critical": 0, "warning": 1, "info": 2}
_CAUSES = {
    "": "", "intake": "orders do not come in", "payment": "payments fail", "dispatch": "parcels do not leave",
    "delivery": "parcels do not arrive", "support": "customers are not answered", "feed": "events do not come in",
}  # fmt: skip
MOST_SHARES = 5


class Clock(NamedTuple):
    """The zone times are told in, and what time it is (epoch ms)."""

    zone: ZoneInfo
    now: int

    def moment(self, ms: int) -> str:
        """Like ``Tue 3 Nov 14:05``; the year where it is another one."""
        at, today = datetime.fromtimestamp(ms / 1000, self.zone), datetime.fromtimestamp(self.now / 1000, self.zone)
        year = "" if at.year == today.year else f" {at.year}"
        return f"{at:%a} {at.day} {at:%b}{year} {at:%H:%M}"


class Line(NamedTuple):
    """An incident in a list. ``facts`` are what there is to say of it, the most important first."""

    id: str
    title: str
    severity: Severity
    live: bool
    badge: str
    facts: tuple[str, ...]


def lines(incidents: Iterable[Incident], clock: Clock, currency: str) -> list[Line]:
    """The worst first, then the newest."""
    ranked = sorted(incidents, key=lambda one: (not one.live, _RANK[one.severity] if one.live else 0, -one.since))
    return [line(one, clock, currency) for one in ranked]


def line(one: Incident, clock: Clock, currency: str) -> Line:
    """An incident as a line of a list."""
    told = [f"{age(clock.now - one.since)} old, since {clock.moment(one.since)}"] if one.live else []
    if not one.live:
        told = [f"{clock.moment(one.since)} to {clock.moment(one.until)}"]
    told.append(state(one, clock))
    if one.owner:
        told.append(f"looked after by {one.owner}")
    elif one.live:
        told.append("nobody looks after it")
    hit = impact(one, currency)
    return Line(one.id, one.title, one.severity, one.live, one.severity, (*told, *([hit] if hit else [])))


def state(one: Incident, clock: Clock) -> str:
    """What has become of it."""
    if one.state == "snoozed":
        return f"snoozed until {clock.moment(one.snoozed_until)}"
    if one.state == "retracted":
        return "taken back: it was none"
    return f"merged into {one.merged_into}" if one.state == "merged" else one.state


def impact(one: Incident, currency: str) -> str:
    """How many orders, customers and tickets it has hit, and what they are worth; empty where that is not known."""
    found = one.assessment
    if found is None:
        return ""
    parts = []
    if found.orders:
        parts.append(f"{_count(found.orders, 'order')} worth {money(found.amount, currency)}")
    if found.customers:
        parts.append(_count(found.customers, "customer"))
    if found.tickets:
        parts.append(_count(found.tickets, "ticket"))
    return ", ".join(parts)


def _count(number: int, of: str) -> str:
    return f"{number:,} {of}" + ("" if number == 1 else "s")


def about(one: Incident) -> str:
    """The slice that explains it."""
    return ", ".join(f"{name} {value}" for name, value in sorted(one.scope.items())) or "everywhere alike"


def facts(one: Incident, clock: Clock, currency: str) -> list[tuple[str, str]]:
    """All there is to say in a few words: what, and what of it."""
    found = one.assessment
    pairs = [
        ("State", state(one, clock)),
        ("Severity", one.severity),
        ("Looked after by", one.owner or ("nobody yet" if one.live else "")),
        ("Since", f"{clock.moment(one.since)}, last off until {clock.moment(one.until)}"),
        ("Where", about(one)),
        ("Kind of trouble", _CAUSES[one.cause]),
        ("Impact", impact(one, currency)),
    ]
    if one.kind == "pipeline":
        pairs.append(("Beware", "the data are at fault, not the business: do not trust KPIs of this time"))
    if found is not None:
        pairs.append(("Because", found.explanation))
        if not found.complete:
            pairs.append(("Beware", "not all of its events could be looked through: there may be more"))
    return pairs


def symptoms(one: Incident, currency: str) -> list[tuple[str, str, str, str, str, str]]:
    """What is off: KPI, its label, slice, what it was, what was expected, what is strange of it."""
    return [_symptom(each, currency) for each in one.symptoms if each.told]


def _symptom(one: Symptom, currency: str) -> tuple[str, str, str, str, str, str]:
    label = one.kpi.replace("_", " ").capitalize() + ("" if one.stat == "value" else f" {one.stat}")
    where = ", ".join(one.slice.values()) or "all"
    return one.kpi, label, where, human(one.value, one.unit, currency), usual(one.expected, one.unit, currency), one.why


def shares(one: Incident) -> list[tuple[str, str]]:
    """By KPI which slices have the largest part in what it is off by."""
    return [(name.replace("_", " "), text) for name, found in one.shares.items() if (text := _shares(found))]


def _shares(found: Iterable[Share]) -> str:
    positive = [each for each in found if each.share > 0][:MOST_SHARES]
    return ", ".join(f"{' '.join(each.slice.values())} {each.share:.0%}" for each in positive)


def history(one: Incident, clock: Clock) -> list[tuple[str, str, str, str]]:
    """What happened, the newest first: when, what, who, why."""
    return [(clock.moment(each.at), each.what, each.by, each.note) for each in reversed(one.history)]


def revision(one: Incident, clock: Clock, currency: str) -> tuple[str, str, str, str, str]:
    """A record as a line: its number, when it was, title, state, impact as known then."""
    return str(one.revision), clock.moment(one.history[-1].at), one.title, one.state, impact(one, currency)


def case_name(case: Case) -> str:
    """What tells a line of the worklist from the others, whatever revision it is of."""
    return case.order or " ".join(case.tickets)


def news(one: Incident) -> News:
    """What people are told of it last."""
    if one.state == "resolved":
        return "resolved"
    if one.state in ("retracted", "merged"):
        return "retracted"
    last = next((each.what for each in reversed(one.history) if each.what in ("opened", "worsened", "reopened")), "")
    return "worsened" if last == "worsened" else "reopened" if last == "reopened" else "opened"
