"""Why it is: what else is unusual, and how much of it is about the orders on the worklist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import sqrt
from zoneinfo import ZoneInfo

from msgspec import Struct

from detectors.casework.affected import Found
from detectors.casework.ledger import Ledger
from detectors.casework.standstill import BEFORE_MS, Flow
from detectors.casework.steps import Clock
from detectors.casework.tally import Hit
from detectors.incidents.grouping import FAR_MS
from detectors.incidents.incident import Incident
from detectors.incidents.stages import Stage

LEAST_EXTRA = 5.0
"""So many more than usual are worth a word,"""
STANDS_OUT = 2.0
"""and so many times what they vary by."""
LEAST_SHARE = 0.1
_FOLLOWS = {"ticket.opened": "tickets", "order.cancelled": "cancellations", "order.refunded": "refunds"}
_WHAT = {
    None: "orders on the worklist",
    Stage.PAYMENT: "orders not paid",
    Stage.DISPATCH: "orders not dispatched in time",
    Stage.DELIVERY: "orders late",
    Stage.SUPPORT: "orders of customers not answered in time",
}


class Joined(Struct, frozen=True):
    """Of one thing that customers do: how many of it were ``seen``, how many are ``expected``, how many are ``about``
    the orders on the worklist, and how many of those are usual for as many orders."""

    what: str
    seen: int
    expected: float
    about: int
    about_usually: float

    @property
    def extra(self) -> float:
        return self.seen - self.expected

    @property
    def share(self) -> float:
        """Of what there is more than usual, the share about orders on the worklist, 0 to 1."""
        return min(1.0, max(0.0, self.about - self.about_usually) / self.extra) if self.extra > 0 else 0.0

    @property
    def stands_out(self) -> bool:
        return self.extra >= max(LEAST_EXTRA, STANDS_OUT * sqrt(max(1.0, self.expected)))


class Explanation(Struct, frozen=True):
    """A sentence, empty where nothing was found, and the figures behind it."""

    text: str
    joined: tuple[Joined, ...]


def explain(incident: Incident, found: Found, ledger: Ledger, at: int) -> Explanation:
    """Join what customers do with the orders on the worklist, as far as is known ``at`` an instant (epoch ms)."""
    clock = Clock(ledger.definitions.timezone)
    since = incident.since
    until = min(at, max(incident.until, incident.cause_until + FAR_MS))
    begin = max(ledger.complete_since, 0)
    times: dict[str, list[tuple[int, str]]] = {type_: [] for type_ in _FOLLOWS}
    placed = 0
    for life in ledger:
        for one in ledger.story(life):
            placed += one.sort.type == "order.placed"
            if one.sort.type in times:
                times[one.sort.type].append((one.time, life.subject))
    # At a desk where nobody answers, what is on the list are the tickets themselves.
    hit = {} if found.stage in (Stage.CONTACT, Stage.SUPPORT) else {one.life.subject: one for one in found.hits}
    joined = tuple(
        _join(type_, several, hit, placed, begin, (since, until), at, clock)
        for type_, several in times.items()
        if several
    )
    said = [
        f"{one.share:.0%} of the extra {one.what} are about {_what(incident, found)}"
        for one in joined
        if one.stands_out and one.share >= LEAST_SHARE
    ]
    standing = _standing(incident, found, ledger)
    return Explanation("; ".join([*([standing] if standing else []), *said]), joined)


def _join(
    type_: str,
    several: Sequence[tuple[int, str]],
    hit: Mapping[str, Hit],
    placed: int,
    begin: int,
    window: tuple[int, int],
    at: int,
    clock: Clock,
) -> Joined:
    since, until = window
    times = [time for time, _ in several]
    flow = Flow(times, max(begin, min(times)), at, (since - BEFORE_MS, until + BEFORE_MS), clock)
    inside = [(time, subject) for time, subject in several if since <= time < until]
    about = sum(subject in hit and time >= hit[subject].since for time, subject in inside)
    usually = len(hit) * (len(several) - len(inside)) / placed if placed else 0.0
    return Joined(_FOLLOWS[type_], len(inside), flow.expected(since, until), about, min(usually, float(about)))


def _what(incident: Incident, found: Found) -> str:
    what = _WHAT.get(found.stage, _WHAT[None])
    for dimension, value in sorted(incident.scope.items(), key=lambda one: one[0] != "region"):
        what += {"region": f" in {value}", "carrier": f" with {value}", "warehouse": f" from {value}"}.get(
            dimension, f" ({dimension.replace('_', ' ')} {value})"
        )
    return what


def _standing(incident: Incident, found: Found, ledger: Ledger) -> str:
    still = found.still
    if still is None or not found.hits:
        return ""
    zone = ZoneInfo(ledger.definitions.timezone)
    start, end = (
        f"{datetime.fromtimestamp(each / 1000, UTC).astimezone(zone):%a %d %b %H:%M}"
        for each in (still.start, still.end)
    )
    who = ", ".join(value for _, value in sorted(incident.scope.items())) or "everywhere"
    moved = "nothing moved" if still.complete else f"{still.seen} steps instead of {still.expected:.0f}"
    usual = f", where {still.expected:.0f} steps are usual" if still.complete else ""
    return f"{who}: {moved} from {start} to {end}{usual}"
