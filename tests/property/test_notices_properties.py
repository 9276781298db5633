"""Whatever happens in whatever order, and wherever it is begun again: nothing is told twice, and nothing is lost."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.incident import Incident
from detectors.notification.message import Message
from detectors.notification.notices import Notices, Settings
from detectors.notification.quiet import QuietHours
from detectors.notification.text import Text
from tests.support.incidents import HOUR, MINUTE, T0, assessment, incident, then

CHANNELS = ("phone", "hook")
IDS = ("i-1", "i-2", "i-3")
WAITS = st.sampled_from([0, 1_000, 20_000, 5 * MINUTE, HOUR, 9 * HOUR])


def notices() -> Notices:
    quiet = QuietHours([[(1320, 1860)]] * 7, "Europe/Berlin")
    return Notices(Settings(channels=CHANNELS, alertmanager="am", per_hour=4), Text("EUR", "Europe/Berlin"), quiet)


class Telling(RuleBasedStateMachine):
    """Incidents change, messages arrive, fail, or are on their way when all begins anew from what was recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0 + 2 * HOUR
        self.of = notices()
        self.incidents: dict[str, Incident] = {}
        self.under_way: list[Message] = []
        self.arrived: dict[str, list[Message]] = {name: [] for name in CHANNELS}
        self.uncertain: set[tuple[str, str]] = set()
        self.alerts: dict[str, Any] = {}
        """What Alertmanager believes: by incident and severity, when it ends."""

    def change(self, one: Incident) -> None:
        # It has been off until now: it is not history.
        self.incidents[one.id] = one = replace(one, until=self.now)
        self.of.news([one], self.now)

    @rule(wait=WAITS)
    def wait(self, wait: int) -> None:
        self.now += wait
        for one in list(self.incidents.values()):
            woken = lifecycle.wake(one, self.now)
            if woken is not one or one.live:
                self.change(replace(woken, revision=one.revision + 1))

    @rule(name=st.sampled_from(IDS), known=st.booleans(), severity=st.sampled_from(["info", "warning", "critical"]))
    def begin(self, name: str, known: bool, severity: Any) -> None:
        if name not in self.incidents:
            more = {"assessment": assessment()} if known else {}
            self.change(incident(name, until=self.now, since=self.now - HOUR, severity=severity, **more))

    @precondition(lambda self: self.incidents)
    @rule(data=st.data(), what=st.sampled_from(["worsen", "snooze", "acknowledge", "resolve", "retract", "reopen"]))
    def happen(self, data: st.DataObject, what: str) -> None:
        one = self.incidents[data.draw(st.sampled_from(sorted(self.incidents)))]
        if what == "reopen":
            if one.state in ("resolved", "retracted"):
                self.change(lifecycle.reopen(one, self.now))
        elif what == "retract":
            if one.state != "retracted":
                self.change(lifecycle.retract(one, self.now))
        elif one.live:
            if what == "worsen" and one.severity != "critical":
                self.change(then(one, "worsened", self.now, severity="critical"))
            elif what == "snooze":
                self.change(lifecycle.snooze(one, self.now, "kim", self.now + 2 * HOUR))
            elif what == "acknowledge":
                self.change(lifecycle.acknowledge(one, self.now, "kim"))
            elif what == "resolve":
                self.change(lifecycle.resolve(one, self.now))

    @rule()
    def look(self) -> None:
        found = self.of.due(self.now)
        # What is on its way is not given again.
        assert not {(one.id, one.channel) for one in found} & {(one.id, one.channel) for one in self.under_way}
        self.under_way += found

    def arrive(self, one: Message) -> None:
        """It gets there. One comes a second time only where its fate was not known."""
        if one.alert is not None:
            self.alerts[one.id] = one.alert
            return
        key = (one.channel, one.id)
        if any((one.channel, other.id) == key for other in self.arrived[one.channel]):
            assert key in self.uncertain
        self.uncertain.discard(key)
        self.arrived[one.channel].append(one)

    @precondition(lambda self: self.under_way)
    @rule(
        at=st.integers(0, 20), fate=st.sampled_from(["arrives", "arrives", "fails", "fails", "perhaps", "is refused"])
    )
    def end(self, at: int, fate: str) -> None:
        one = self.under_way.pop(at % len(self.under_way))
        if fate == "arrives":
            self.arrive(one)
            self.of.told(one.id, one.channel, self.now)
        elif fate == "perhaps":
            self.arrive(one)
            self.uncertain.add((one.channel, one.id))
            self.of.failed(one.id, one.channel, self.now, "no answer", permanent=False, perhaps=True)
        else:
            self.of.failed(one.id, one.channel, self.now, "HTTP 500", permanent=fate == "is refused")

    @rule(arrives=st.booleans())
    def crash(self, arrives: bool) -> None:
        """What was on its way has arrived or not, and nobody knows."""
        for one in self.under_way if arrives else []:
            self.arrive(one)
            self.uncertain.add((one.channel, one.id))
        self.under_way = []
        of = notices()
        of.load(json.loads(json.dumps(self.of.state())))
        of.resume()
        self.of = of

    def teardown(self) -> None:
        """In the end all arrives, and everybody knows how it is."""
        for one in self.under_way:
            self.arrive(one)
            self.of.told(one.id, one.channel, self.now)
        lost = {one.channel for one in self.of.lost}
        for _ in range(200):
            self.wait(HOUR)
            for one in self.of.due(self.now):
                self.arrive(one)
                self.of.told(one.id, one.channel, self.now)
        assert all(self.of.pending(channel) == 0 for channel in (*CHANNELS, "am"))
        for name, one in self.incidents.items():
            assert one.state != "snoozed"
            for channel in CHANNELS:
                last = self.last_of(channel, name)
                if channel in lost:
                    continue
                if one.live:
                    assert last in ("opened", "worsened", "reopened", "digest"), (name, channel, last)
                elif last is not None:
                    assert last in ("resolved", "retracted", "digest"), (name, channel, last)
            live = {
                key for key, alert in self.alerts.items() if key.startswith(f"{name}/") and alert.ends_at > self.now
            }
            assert len(live) == one.live, (name, live, one.state)

    def last_of(self, channel: str, name: str) -> str | None:
        return next((one.news for one in reversed(self.arrived[channel]) if name in one.incidents), None)


TestTelling = Telling.TestCase
TestTelling.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
