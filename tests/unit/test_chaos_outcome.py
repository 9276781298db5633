"""What is said of a run: that everything held only where it did, and where not, what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.benchmarks.report import put
from tests.chaos import report
from tests.chaos.crew import Ended
from tests.chaos.faults import Faults
from tests.chaos.outcome import Outcome, Sizes, Suffered, read, summary, write
from tests.chaos.plan import SHORT, Fault, schedule
from tests.chaos.verdict import Comparison, Events, Letters, Shown
from tests.chaos.watch import Jump


def held(**more: Any) -> Outcome:
    """A run in which everything held, unless said otherwise."""
    fault = Fault(1, "kill", 3.0, 1.0, 7)
    plain: dict[str, Any] = {
        "plan": SHORT,
        "seed": 9,
        "seconds": 60.0,
        "sizes": Sizes(records=110, events=100, distinct=98, late=2, malformed=3, sent_again=0, told=500),
        "faults": [Suffered(fault, "worker-01", 3.0, 4.0, 8.5)],
        "not_simulated": [],
        "events": Events(counted=98),
        "final": Comparison(values=40),
        "rolling": Comparison(values=20),
        "metrics": Shown(series=20),
        "letters": Letters(wanted=3),
        "jumps": [],
        "shared": 0.0,
        "repeated": 0,
        "restated": 0,
        "unasked": [],
        "settled": True,
        "settling": 5.0,
        "folder": "here",
        "timeline": [(0.0, 1.0, 0.0), (1.0, 5.0, 4.0)],
    }
    return Outcome(**(plain | more))


def test_a_run_in_which_everything_held_has_nothing_wrong() -> None:
    assert held().wrong() == []
    assert "everything held" in summary(held())
    assert "lost 0, double-counted 0, of 98 events counted" in summary(held())
    assert "recovery, worker killed: p50 8.5 s, max 8.5 s of 1" in summary(held())


WRONG: dict[str, dict[str, Any]] = {
    "1 events lost, 0 counted twice": {"events": Events(counted=98, lost=1)},
    "0 events lost, 2 counted twice": {"events": Events(counted=98, doubled=2)},
    "final values: 1 wrong": {"final": Comparison(values=40, wrong=1)},
    "rolling values: 0 wrong, 1 missing": {"rolling": Comparison(values=20, missing=1)},
    "metrics: 0 wrong, 0 missing, 0 too many, 1 at several": {"metrics": Shown(series=20, shared=1)},
    "dead letters: 1 missing": {"letters": Letters(wanted=3, missing=1)},
    "dead letters: 0 missing, 1 too many": {"letters": Letters(wanted=3, surplus=1)},
    "metrics jumped 1 times": {"jumps": [Jump("fell", 3.0, "worker-01", "daybook_orders_placed", 1.0)]},
    "fell behind by 5000": {"jumps": [Jump("fell behind", 3.0, "worker-01", "daybook_orders_placed", 5000.0)]},
    "too many by 1": {"jumps": [Jump("too many", 3.0, "worker-01", "daybook_orders_placed", 1.0)]},
    "at two workers for 11 s": {"shared": 11.0},
    "asked to end: worker-02 did not within 25 s": {"unasked": [Ended(9.0, "worker-02", "did not within 25 s", True)]},
    "did not settle": {"settled": False},
    "no recovery was seen from kill 1": {"faults": [Suffered(Fault(1, "kill", 3.0, 1.0, 7), "worker-01", 3.0, 4.0)]},
}


@pytest.mark.parametrize(("said", "change"), WRONG.items(), ids=WRONG)
def test_whatever_did_not_hold_is_said(said: str, change: dict[str, Any]) -> None:
    outcome = held(**change)
    (line,) = outcome.wrong()
    assert said in line
    assert f"WRONG: {line}" in summary(outcome)
    assert "--seed 9" in summary(outcome)
    assert "Not everything held" in report.figures(outcome)


def test_a_small_step_back_at_a_hand_over_and_what_is_stale_for_a_moment_are_listed_only() -> None:
    jumps = [Jump(kind, 3.0, "worker-02", "daybook_orders_placed", 40.0) for kind in ("fell behind", "stale")]
    outcome = held(jumps=jumps, shared=2.0)
    assert outcome.wrong() == []
    assert "fell behind 1 times, by 40 at the most; stale 1 times" in summary(outcome)


def test_an_outcome_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    outcome = held(unasked=[Ended(4.0, "worker-03", "ended with status 2")])
    assert read(write(outcome, tmp_path)) == outcome


def test_the_page_has_a_place_for_the_figures() -> None:
    page = put(report.PART, report.figures(held(not_simulated=["a full disk: no"])), report.PAGE.read_text())
    assert "| **lost**" in page
    assert "Not simulated: a full disk: no." in page


class Recorder:
    """Stands for the ground, the crew and the sender: notes what is asked of it."""

    acknowledged = 0
    mounted = False
    reason = "permission denied"
    name = "worker-01"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.there = 3
        self.disk = self

    def __getattr__(self, name: str) -> Any:
        def note(*_: Any) -> Recorder:
            self.asked.append(name)
            return self

        return note

    def choose(self, pick: int) -> Recorder | None:
        return self if self.there else None

    def awake(self) -> list[Recorder]:
        return [self] * self.there


def faults_of(plan: Any, recorder: Any) -> Faults:
    return Faults(plan, schedule(plan, 1), recorder, recorder, recorder, lambda _: None)


def test_each_fault_begins_and_ends_when_it_is_due() -> None:
    recorder = Recorder()
    faults = faults_of(SHORT, recorder)
    for tenths in range(600):
        faults.step(tenths / 10)
    assert faults.left == 0
    asked = {name: recorder.asked.count(name) for name in recorder.asked}
    assert asked == {
        **{"kill": 3, "start": 3 + 1, "freeze": 1, "resume": 1, "remove": 1},
        **{"kill_broker": 1, "restart_broker": 1},
    }


def test_a_kill_waits_for_somebody_to_kill() -> None:
    recorder = Recorder()
    recorder.there = 0
    faults = faults_of(msgspec.structs.replace(SHORT, zombie=0, added=0, removed=0, broker_kill=0), recorder)
    faults.step(50.0)
    assert recorder.asked == []
    assert faults.left == 3
    recorder.there = 1
    faults.step(51.0)
    assert recorder.asked.count("kill") == 3


def test_a_full_disk_that_cannot_be_made_is_said_and_left_out() -> None:
    recorder = Recorder()
    faults = faults_of(msgspec.structs.replace(SHORT, seconds=90.0, disk_full=1), recorder)
    (line,) = faults.not_simulated
    assert "permission denied" in line
    for second in range(120):
        faults.step(float(second))
    assert "fill_disk" not in recorder.asked
