"""A tracking feed that is silent is a fault of the pipeline, a carrier that stands still is trouble of the business,
and a closed shop is nothing: a simulated shop, from its events to its incidents."""

from __future__ import annotations

import numpy as np

from detectors.calendar.business import BusinessCalendar
from detectors.calendar.hours import Hours
from detectors.calendar.occasions import occasion_of
from detectors.incidents.feeds import Feeds
from detectors.incidents.incident import Incident
from detectors.notification.notices import Notices, Settings
from detectors.notification.quiet import QuietHours
from detectors.notification.text import Text
from detectors.response.inputs import Inputs
from detectors.response.response import Response
from detectors.watch.watch import Watch
from streams.config import load_config
from streams.events.times import parse_time
from streams.events.types import DeliveryDispatched, SourceHeartbeat
from streams.ingest.simulator import Incident as Trouble
from streams.ingest.simulator import Simulation, SimulatorSettings, family_of
from streams.ingest.simulator.localtime import DAY, HOUR, MINUTE
from tests.support.judging import MONDAY, final
from tests.support.pipeline import Pipeline

CONFIG = load_config(env={})
DEFINITIONS = CONFIG.definitions()
BEGINS = MONDAY - HOUR
"""Midnight in Berlin."""
WEEKS = 2
AT = BEGINS + 7 * WEEKS * DAY + 2 * DAY + 9 * HOUR
"""Wednesday at nine."""


class Shop:
    """Events come in, hour by hour; what is wrong with a feed is in the calendar as soon as it is known, as it is in a
    worker."""

    def __init__(self, trouble: Trouble) -> None:
        self.calendar = BusinessCalendar("Europe/Berlin")
        self._watch = Watch(DEFINITIONS, CONFIG.alerts.per_week, self.calendar)
        notices = Notices(Settings(), Text("EUR", "Europe/Berlin"), QuietHours(None, "Europe/Berlin"))
        self.response = Response(DEFINITIONS, notices)
        self._feeds = Feeds(DEFINITIONS.allowed_lateness_ms)
        self._pipeline = Pipeline(DEFINITIONS)
        self.seen: dict[str, Incident] = {}
        settings = SimulatorSettings(
            start=BEGINS, end=AT + 4 * DAY, seed=3, orders_per_day=300, heartbeat=15 * MINUTE, incidents=[trouble]
        )
        self._arrivals = Simulation(settings).arrivals()

    def run(self) -> list[Incident]:
        """All there is; the incidents that anything was off of from the trouble on."""
        due, batch = BEGINS + 15 * MINUTE, []
        for arrival, event in self._arrivals:
            while arrival >= due:
                self._step(batch, due)
                due, batch = due + 15 * MINUTE, []
            if family_of(event) < 3:
                batch.append(event)
        return [one for one in self.seen.values() if one.until > AT and one.state not in ("retracted", "merged")]

    def _step(self, events: list, now: int) -> None:  # type: ignore[type-arg]
        for event in events:
            told = {}
            if isinstance(event, DeliveryDispatched):
                told = {"carrier": event.data.carrier, "region": event.data.region}
            beats = isinstance(event, SourceHeartbeat)
            self._feeds.take(event.source, family_of(event), parse_time(event.time), told, heartbeat=beats)
        for family in range(3):
            self._pipeline.feed_topic(family, [event for event in events if family_of(event) == family])
        told = len(self._pipeline.history)
        self._pipeline.drain()
        values = self._watch.step(self._pipeline.history[told:])
        inputs = Inputs(now, tuple(values), troubles=tuple(self._feeds.troubles()), heard=self._feeds.now, late=True)
        outcome = self.response.step(inputs)
        self.calendar.put(occasion_of(entry) for entry in outcome.calendar)
        self.seen |= {one.id: one for one in outcome.changed}


def test_a_silent_tracking_feed_is_a_pipeline_fault_and_no_trouble_of_the_business() -> None:
    trouble = Trouble(kind="tracking_feed_silent", start=AT, duration=10 * HOUR, scope={"carrier": ["postbird"]})
    incidents = Shop(trouble).run()
    silent = [one for one in incidents if one.kind == "pipeline" and "silent" in one.id]
    (one,) = silent
    assert one.scope == {"carrier": "postbird"}
    assert one.title == "Nothing comes from /carrier/postbird: its feed is broken"
    assert AT - 15 * MINUTE <= one.since <= AT
    assert one.history[0].at - AT <= 2 * HOUR
    assert one.state == "resolved"
    during = [other for other in incidents if other.kind == "business" and other.since < AT + 10 * HOUR]
    assert [other.title for other in during if other.cause in ("dispatch", "delivery")] == []


def test_a_carrier_that_stands_still_is_trouble_of_the_business() -> None:
    trouble = Trouble(kind="courier_outage", start=AT, duration=30 * HOUR, scope={"carrier": ["postbird"]})
    incidents = Shop(trouble).run()
    assert [one.id for one in incidents if one.kind == "pipeline"] == []
    assert {"carrier": "postbird"} in [one.scope for one in incidents if one.cause == "delivery"]


def on_closed_days(calendar: BusinessCalendar, known: BusinessCalendar) -> list[Incident]:
    """Incidents that began while a shop was closed, by its ``calendar``, if that was ``known``."""
    watch = Watch(DEFINITIONS, CONFIG.alerts.per_week, known)
    response = Response(DEFINITIONS, Notices(Settings(), Text("EUR", "UTC"), QuietHours(None, "UTC")))
    generator = np.random.default_rng(5)
    found: dict[str, Incident] = {}
    for hour in range(20 * 7 * 24):  # over Easter, the first of May and Whitsun
        start = MONDAY + hour * HOUR
        orders = float(generator.poisson(14.0)) if calendar.at(start, start + HOUR).open else 0.0
        values = watch.step([final("orders_placed", hour, orders)])
        found |= {one.id: one for one in response.step(Inputs(start + HOUR, tuple(values), late=True)).changed}
    return [one for one in found.values() if not calendar.at(one.since, one.since + HOUR).open]


def test_a_closed_shop_is_nothing() -> None:
    open_ = [[(9 * 60, 18 * 60)]] * 6 + [[]]
    calendar = BusinessCalendar("UTC", Hours(open_, "UTC"), country="DE")
    assert on_closed_days(calendar, calendar) == []
    assert on_closed_days(calendar, BusinessCalendar("UTC")) != []
