"""What a message says of an incident: first what, then how much, since when, for whom, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from detectors.incidents.attribution import Share
from detectors.incidents.incident import Change, Incident, Symptom, What
from detectors.notification.message import News
from streams.kpis.units import duration, human

LONGEST = 600
"""Characters of a message's title and text together; a phone shows no more at a glance. Links come on top."""
_LONGEST_TITLE = 120
_MOST_SYMPTOMS = 3
_BEGINNINGS: dict[News, str] = {
    "opened": "",
    "worsened": "Worse: ",
    "reopened": "Again: ",
    "resolved": "Over: ",
    "retracted": "False alarm: ",
}
_AT_FAULT = "The data are at fault, not the business: do not trust what KPIs say of this time."


class Words(Struct, frozen=True):
    """What is said. ``body`` is a few lines, the most important first; ``impact``, ``link`` and ``runbook`` may be
    empty."""

    title: str
    body: str
    impact: str
    link: str
    runbook: str


class Text:
    """Puts incidents into words.

    ``currency`` is that of all money (ISO 4217), ``timezone`` the one times are told in. ``link`` is where an incident
    can be looked at, with ``{id}`` in the place of its id, ``runbook`` the page with first steps; empty for none.
    """

    def __init__(self, currency: str, timezone: str, link: str = "", runbook: str = "") -> None:
        self._currency, self._link, self._runbook = currency, link, runbook
        self._zone = ZoneInfo(timezone)

    def words(self, incident: Incident, news: News, worklist: int = 0) -> Words:
        """All there is to say; ``worklist`` is how many orders and tickets are on it."""
        title = self.title(incident, news)
        impact = self.impact(incident)
        lines = self._over(incident, news) if news in ("resolved", "retracted") else self._lasting(incident, news)
        if impact and news != "retracted":
            lines.append(f"{impact}.")
        if worklist and news != "retracted":
            lines.append(f"On the worklist: {worklist:,}.")
        found = incident.assessment
        if found is not None and found.explanation and news != "retracted":
            # The last thing said, and so the first to go where there is no room.
            lines.append(_sentence(found.explanation))
        steps = news in ("opened", "worsened", "reopened")
        return Words(
            title, _fit(lines, LONGEST - len(title) - 1), impact, self.link(incident), self.runbook(incident) * steps
        )

    def title(self, incident: Incident, news: News) -> str:
        """One line."""
        grave = "Critical: " if incident.severity == "critical" and news in ("opened", "reopened") else ""
        if incident.severity == "critical" and news == "worsened":
            grave = "now critical: "
        data = "Data at fault: " if incident.kind == "pipeline" else ""
        return _cut(f"{_BEGINNINGS[news]}{grave}{data}{incident.title or incident.id}", _LONGEST_TITLE)

    def line(self, incident: Incident, news: News) -> str:
        """One line of several incidents' message."""
        return f"{self.title(incident, news)} ({self._span(incident)})"

    def digest(self, lines: Sequence[str], quiet: bool) -> tuple[str, str]:
        """Title and text of a message about several incidents, a line each; ``quiet``: they came and went while nothing
        was to be told."""
        number = len(lines)
        incidents = "incident" if number == 1 else "incidents"
        title = f"In quiet hours: {number} {incidents}, over by now" if quiet else f"{number} more {incidents}"
        kept = list(lines)
        while len(kept) > 1 and sum(len(one) + 1 for one in kept) > LONGEST - len(title):
            kept.pop()
        more = [f"… and {number - len(kept)} more"] if len(kept) < number else []
        return title, "\n".join([*kept, *more])

    def impact(self, incident: Incident) -> str:
        """``Hits 41 orders of 38 customers, worth € 3,120.00, and 12 tickets``; empty where nothing is known."""
        found = incident.assessment
        if found is None or not (found.orders or found.tickets):
            return ""
        parts = []
        if found.orders:
            orders = _count(found.orders, "order")
            if found.customers:
                orders += f" of {_count(found.customers, 'customer')}"
            if found.amount:
                orders += f", worth {human(found.amount, 'money', self._currency)}"
            parts.append(orders)
        if found.tickets:
            parts.append(_count(found.tickets, "ticket"))
        return f"Hits {'' if found.complete else 'at least '}{', and '.join(parts)}"

    def link(self, incident: Incident) -> str:
        """Where the incident can be looked at; empty where that is not configured."""
        return self._link.replace("{id}", incident.id)

    def runbook(self, incident: Incident) -> str:
        """The first steps, by what it is taken for; empty where there is no runbook."""
        if not self._runbook:
            return ""
        anchor = "feed" if incident.kind == "pipeline" else incident.cause
        return f"{self._runbook}#{anchor or 'daybookincident'}"

    # -- the lines ------------------------------------------------------------------------------------------------

    def _lasting(self, incident: Incident, news: News) -> list[str]:
        lines = [_AT_FAULT] if incident.kind == "pipeline" else []
        lines += [self._against(one) for one in _told(incident.symptoms)]
        if not incident.symptoms:  # it was not found by a KPI
            began = _last(incident, "reopened") or _last(incident, "opened")
            lines += [_sentence(began.note)] if began is not None and began.note else []
        since = f"Since {self.time(incident.since)}"
        if news == "reopened":
            again = _last(incident, "reopened")
            since += f", again since {self.time(again.at)}" if again else ""
        lines.append(f"{since}.")
        share = _share(incident)
        if share is not None:
            of = "shortfall" if incident.symptoms[0].side < 0 else "excess"
            lines.append(f"{', '.join(share.slice.values())} carries {share.share * 100:.0f} % of the {of}.")
        return lines

    def _over(self, incident: Incident, news: News) -> list[str]:
        change = _last(incident, news)
        why = _sentence(change.note) if change is not None and change.note else ""
        by = f"Said by {change.by}." if change is not None and change.by else ""
        if news == "retracted":
            return [one for one in (why or "Events that came late say that there was nothing.", by) if one]
        lines = [f"{self._span(incident)}, {duration((incident.until - incident.since) / 1000)}."]
        worst = [f"At its worst: {self._against(one)}" for one in _told(incident.symptoms)[:1]]
        return [*lines, *(one for one in (why, by) if one), *worst]

    def _against(self, symptom: Symptom) -> str:
        """``On time ratio 61.2 % instead of 94.0 % (91.0 % to 97.0 % is usual), region north.``"""
        low, middle, high = symptom.expected
        now, low_, middle_, high_ = (self._figure(one, symptom.unit) for one in (symptom.value, low, middle, high))
        about = "".join(f", {dimension} {value}" for dimension, value in sorted(symptom.slice.items()))
        if low <= symptom.value <= high and symptom.why:  # it is what the hours before add up to that is strange
            return f"{_name(symptom)}: {symptom.why.partition(';')[0]}{about}."
        return f"{_name(symptom)} {now} instead of {middle_} ({low_} to {high_} is usual){about}."

    def _figure(self, value: float, unit: str) -> str:
        """As everywhere; of a count no more digits than tell something."""
        if unit in ("ratio", "seconds", "money", "score"):
            return human(value, unit, self._currency)
        return f"{value:,.0f}" if abs(value) >= 9.5 else f"{value:.1f}".removesuffix(".0")

    def _span(self, incident: Incident) -> str:
        return f"{self.time(incident.since)} to {self.time(incident.until, after=incident.since)}"

    def time(self, ms: int, after: int | None = None) -> str:
        """``Tue 3 Nov 14:00``, the time alone where it is the day of ``after``."""
        clock = datetime.fromtimestamp(ms / 1000, self._zone)
        if after is not None and datetime.fromtimestamp(after / 1000, self._zone).date() == clock.date():
            return f"{clock:%H:%M}"
        return f"{clock:%a} {clock.day} {clock:%b %H:%M}"


def _told(symptoms: tuple[Symptom, ...]) -> list[Symptom]:
    """Of the KPIs that were alerted of the strangest, each once."""
    known: set[str] = set()
    found: list[Symptom] = []
    for one in sorted(symptoms, key=lambda one: -one.surprise):
        if one.told and one.kpi not in known and len(found) < _MOST_SYMPTOMS:
            known.add(one.kpi)
            found.append(one)
    return found


def _share(incident: Incident) -> Share | None:
    """What part of the deviation the slice has that explains it: of all its dimensions together, or of one."""
    if not incident.symptoms:
        return None
    first = incident.symptoms[0]
    shares = incident.shares.get(first.kpi if first.stat == "value" else f"{first.kpi}.{first.stat}", [])
    within = [one for one in shares if one.slice and one.slice.items() <= incident.scope.items() and one.share > 0.0]
    return max(within, key=lambda one: (len(one.slice), one.share), default=None)


def _name(symptom: Symptom) -> str:
    name = symptom.kpi.replace("_", " ").capitalize()
    return name if symptom.stat == "value" else f"{name} ({symptom.stat})"


def _last(incident: Incident, what: What) -> Change | None:
    return next((one for one in reversed(incident.history) if one.what == what), None)


def _count(number: int, of: str) -> str:
    return f"{number:,} {of}" if number == 1 else f"{number:,} {of}s"


def _sentence(text: str) -> str:
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _fit(lines: list[str], most: int) -> str:
    """As many lines as there is room for, the first ones first; those that are too long for the rest are left out."""
    kept: list[str] = []
    for line in lines:
        left = most - sum(len(one) + 1 for one in kept)
        if len(line) <= left:
            kept.append(line)
        elif not kept:
            kept.append(_cut(line, left))
    return "\n".join(kept)
