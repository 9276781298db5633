"""The faults of a run: the same ones for the same seed, as many as planned, all within it."""

from __future__ import annotations

import itertools
from collections import Counter

import msgspec
import pytest

from tests.chaos.load import LATE, MALFORMED, outgoing
from tests.chaos.plan import BROKER_FAULTS, LONG, SHORT, WORDS, Fault, Plan, schedule

SEEDS = range(40)
PLANS = pytest.mark.parametrize("plan", [SHORT, LONG], ids=lambda plan: plan.name)


@PLANS
def test_a_seed_gives_the_same_faults_and_another_seed_others(plan: Plan) -> None:
    assert schedule(plan, 7) == schedule(plan, 7)
    assert schedule(plan, 7) != schedule(plan, 8)


@PLANS
def test_there_are_as_many_faults_of_each_kind_as_planned(plan: Plan) -> None:
    for seed in SEEDS:
        found = Counter(fault.kind for fault in schedule(plan, seed))
        assert found == {kind: plan.count(kind) for kind in WORDS if plan.count(kind)}


@PLANS
def test_faults_come_in_order_and_end_before_the_last_event(plan: Plan) -> None:
    for seed in SEEDS:
        faults = schedule(plan, seed)
        assert [fault.number for fault in faults] == list(range(1, len(faults) + 1))
        assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
        for fault in faults:
            assert fault.at >= 0
            assert fault.at + fault.lasts <= plan.seconds
            least, most = plan.lasts(fault.kind)
            assert least <= fault.lasts <= most


@PLANS
def test_the_brokers_faults_never_overlap_each_other(plan: Plan) -> None:
    for seed in SEEDS:
        broken = [fault for fault in schedule(plan, seed) if fault.kind in BROKER_FAULTS]
        for one, other in itertools.pairwise(broken):
            assert one.at + one.lasts < other.at


@PLANS
def test_no_more_workers_are_removed_than_were_added_before(plan: Plan) -> None:
    for seed in SEEDS:
        there = 0
        for fault in schedule(plan, seed):
            there += {"added": 1, "removed": -1}.get(fault.kind, 0)
            assert there >= 0


def test_a_frozen_worker_is_frozen_for_longer_than_its_session_lasts() -> None:
    for plan in (SHORT, LONG):
        for fault in schedule(plan, 1):
            if fault.kind == "zombie":
                assert fault.lasts > 6.0


def test_the_long_run_kills_fifty_times_and_has_every_fault() -> None:
    faults = Counter(fault.kind for fault in schedule(LONG, 1))
    assert faults["kill"] >= 50
    assert faults.keys() == WORDS.keys()


def test_broker_faults_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="the broker's faults take"):
        schedule(msgspec.structs.replace(LONG, seconds=60.0), 1)


def test_a_run_without_faults_has_none() -> None:
    none = dict.fromkeys(WORDS, 0)
    quiet: list[Fault] = schedule(msgspec.structs.replace(SHORT, **none), 1)
    assert quiet == []


def test_the_load_has_repeats_and_late_and_malformed_records_each_time_the_same() -> None:
    plan = msgspec.structs.replace(SHORT, seconds=20.0)
    records = list(outgoing(plan, 3))
    marks = Counter(record.mark for record in records)
    assert marks[LATE] > 10
    assert marks[MALFORMED] > 10
    sent = [record.value for record in records if record.mark is None and record.partition is None]
    assert len(sent) > len(set(sent)), "nothing is sent twice"
    assert [record.due for record in records] == sorted(record.due for record in records)
    again = list(outgoing(plan, 3))
    # Those from the future are an hour ahead of now, whenever that is.
    assert [record[:3] for record in again] == [record[:3] for record in records]
