"""What the judged values of a simulated shop are grouped into, held against the incidents that happened to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from detectors.evaluation.incidents import Alert, Known, verdict
from detectors.incidents.grouping import Incidents
from detectors.incidents.incident import Cause, Incident
from streams.ingest.simulator import Label, Shop
from streams.kpis.definitions import Definitions
from streams.kpis.values import KpiValue
from tests.evaluation import shop
from tests.evaluation.truth import QUEUES, TOPICS, hit

CAUSES: dict[str, Cause] = {
    "courier_outage": "delivery",
    # From the KPIs alone a feed that is silent is a carrier that stands still.
    "tracking_feed_silent": "delivery",
    "payment_failures": "payment",
    "warehouse_stop": "dispatch",
    "support_understaffed": "support",
    "website_down": "intake",
}
"""What each kind of the catalogue is to be taken for."""
MESSAGES = ("opened", "reopened", "worsened", "resolved")
"""The changes that people are told of."""


class Grouped(NamedTuple):
    """The incidents a shop had, as they were at last, by id; and of every alert (series, and where its grain begins)
    the id of the one it belongs to."""

    incidents: dict[str, Incident]
    alerts: dict[Alert, str]


def group(hours: Iterable[list[KpiValue]], definitions: Definitions) -> Grouped:
    """Group all judged values, hour by hour."""
    grouping = Incidents(definitions)
    incidents: dict[str, Incident] = {}
    alerts: dict[Alert, str] = {}
    for values in hours:
        changed = grouping.step(values)
        incidents |= {one.id: one for one in changed}
        told = {(one.kpi, one.stat, tuple(sorted(one.slice.items()))): one for one in values if one.alert}
        for one in changed:
            for symptom in one.symptoms:
                value = told.get(symptom.series)
                if value is not None and symptom.until == value.end and one.state != "merged":
                    alerts[Alert(value.series, value.start)] = one.id
    return Grouped(incidents, {alert: _now(name, incidents) for alert, name in alerts.items()})


def _now(name: str, incidents: Mapping[str, Incident]) -> str:
    """The id of what an incident has been merged into."""
    while incidents[name].merged_into:
        name = incidents[name].merged_into
    return name


class Outcome(NamedTuple):
    """What became of an incident that could be seen; ``shop`` is size and seed.

    ``about`` are our incidents that hold an alert of it, the one with the first true alert first; ``delay`` (ms) is
    from where it showed to that alert, None where there was none.
    """

    shop: tuple[int, int]
    known: Known
    label: Label
    about: list[Incident]
    delay: int | None
    mixed: bool
    """Whether one of ``about`` holds alerts of another incident, too."""

    @property
    def found(self) -> bool:
        return self.delay is not None

    @property
    def right_slice(self) -> bool:
        return self.found and is_right(self.about[0].scope, self.label)

    @property
    def named(self) -> bool:
        """Whether it was narrowed to a slice, and that was told."""
        return self.right_slice and bool(self.label.scope)

    @property
    def right_cause(self) -> bool:
        return self.found and self.about[0].cause == CAUSES[self.label.kind]

    @property
    def messages(self) -> int:
        return sum(change.what in MESSAGES for one in self.about for change in one.history)


class Told(NamedTuple):
    """A shop: its incidents, and how many of ours were about none of them, of how many, in so many weeks."""

    outcomes: list[Outcome]
    false: list[Incident]
    all: int
    weeks: float


def is_right(scope: Mapping[str, str], label: Label) -> bool:
    """Whether the slice an incident is said to be about is the one that was hit.

    The dimension the label is narrowed by has to be named with its value; what else is named has to follow from it: a
    region the carrier brings parcels to, a topic that customers write about because of it. Where all of the business
    was hit, nothing but such a topic may be named.
    """
    within = hit(label, Shop())
    within["topic"], within["queue"] = set(TOPICS.get(label.kind, ())), set(QUEUES.get(label.kind, ()))
    narrowed = {"payment_method" if name == "method" else name for name in label.scope}
    return narrowed <= scope.keys() and all(value in within.get(name, ()) for name, value in scope.items())


def outcomes(
    grouped: Grouped, known: Sequence[Known], labels: Sequence[Label], of_shop: tuple[int, int], span: tuple[int, int]
) -> Told:
    """Of the alerts on grains that begin within a ``span``, its end left out, epoch ms. ``of_shop`` is size and
    seed."""
    since, until = span
    alerts: dict[str, list[Alert]] = {}
    for alert, ours in grouped.alerts.items():
        if since <= alert.time < until:
            alerts.setdefault(ours, []).append(alert)
    of = {ours: causes(several, known) for ours, several in alerts.items()}
    first: dict[str, tuple[int, str]] = {}
    for ours, several in alerts.items():
        for alert in several:
            for one in verdict(alert, known)[1]:
                first[one.name] = min((alert.time, ours), first.get(one.name, (alert.time, ours)))
    found = []
    for one, label in zip(known, labels, strict=True):
        if one.nature == "planned" or one.shows is None:
            continue
        time, top = first.get(one.name, (None, ""))
        names = [name for name in sorted(of, key=lambda name: (name != top, name)) if one in of[name] or name == top]
        found.append(
            Outcome(
                shop=of_shop,
                known=one,
                label=label,
                about=[grouped.incidents[name] for name in names] if time is not None else [],
                delay=None if time is None else max(0, time - one.shows),
                mixed=any(set(map(id, of[name])) - {id(one)} for name in names),
            )
        )
    false = [grouped.incidents[name] for name in sorted(of) if not of[name]]
    return Told(found, false, len(of), (until - since) / shop.WEEK)


def causes(alerts: Iterable[Alert], known: Sequence[Known]) -> list[Known]:
    """The fewest of the incidents that are known which account for what an incident of ours was told of: one after the
    other the one that most of the alerts left are true for; where none is true, that they are a consequence of."""
    true, following = [], []
    for alert in alerts:
        what, right = verdict(alert, known)
        if what == "true":
            true.append(right)
        elif what == "consequence":
            following.append([one for one in known if one.nature != "planned" and _holds(one, alert)])
    left, found = true or following, []
    while left:
        best = max(known, key=lambda one: (sum(one in several for several in left), -one.start))
        found.append(best)
        left = [several for several in left if best not in several]
    return found


def _holds(known: Known, alert: Alert) -> bool:
    window = known.consequences.get(alert.series)
    return window is not None and window.holds(alert.time)
