"""Reading states back in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from streams.errors import BrokerError, ContractError
from streams.kpis.kernel import Kernel
from streams.runtime.agents import recovery
from streams.runtime.agents.ledger import Ledger
from streams.runtime.agents.recovery import AT_ONCE, Recovery
from streams.runtime.agents.revival import revive_kernel
from streams.runtime.metrics import Metrics
from streams.runtime.state.chain import Chain
from streams.runtime.state.frames import Step
from tests.support.agents import until
from tests.support.memory_log import MemoryLog, Records
from tests.support.running import plan
from tests.support.shop import T0, event, feed


class Logs(MemoryLog):
    """Those of the ``unreadable`` partitions cannot be read."""

    def __init__(self) -> None:
        super().__init__(Records())
        self.unreadable: set[int] = set()

    async def recover(self, partition: int) -> Chain:
        if partition in self.unreadable:
            raise BrokerError("no broker")
        return await super().recover(partition)


class Fixture:
    def __init__(self) -> None:
        self.logs, self.made = Logs(), list[int]()
        self.revive: Callable[[int, Chain], Any] = lambda partition, chain: partition
        self.metrics = Metrics(CollectorRegistry(), [])
        metrics = self.metrics
        self.recovery: Recovery[Any] = Recovery(
            Ledger(self.logs, 100),
            lambda partition, chain: self.revive(partition, chain),
            self._done,
            metrics.recovered.labels("a"),
            metrics.recovering.labels("a"),
            "a",
        )

    async def _done(self, partition: int, chain: Chain, made: int) -> None:
        self.made.append(made)

    @property
    def under_way(self) -> float | None:
        return self.metrics.registry.get_sample_value("daybook_recovering_partitions", {"agent": "a"})


@pytest.fixture
async def fixture(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fixture]:
    monkeypatch.setattr(recovery, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(recovery, "LONGEST_WAIT", 0.002)
    made = Fixture()
    yield made
    await made.recovery.close()


async def test_partitions_that_cannot_be_read_do_not_keep_the_others_waiting(fixture: Fixture) -> None:
    fixture.logs.unreadable = set(range(AT_ONCE + 1))
    for number in range(AT_ONCE + 3):
        fixture.recovery.begin(number)
    await until(lambda: len(fixture.made) == 2)
    assert sorted(fixture.made) == [AT_ONCE + 1, AT_ONCE + 2]
    assert fixture.under_way == AT_ONCE + 1
    fixture.logs.unreadable = set()
    await until(lambda: len(fixture.made) == AT_ONCE + 3)
    await until(lambda: fixture.under_way == 0)


async def test_entries_that_make_no_sense_are_told_apart_from_a_broker_that_is_away(fixture: Fixture) -> None:
    attempts = []

    def revive(partition: int, chain: Chain) -> int:
        attempts.append(partition)
        if len(attempts) < 3:
            raise ContractError("no sense")
        return partition

    fixture.revive = revive
    with capture_logs() as logs:
        fixture.recovery.begin(0)
        await until(lambda: fixture.made)
    assert [one["event"] for one in logs] == [
        "the state log makes no sense, trying again",
        "the state log makes no sense, trying again",
        "state recovered",
    ]


async def test_a_state_is_newer_than_all_that_was_told_even_if_its_log_has_lost_its_end() -> None:
    compiled = plan()[1]
    log = MemoryLog(Records())
    await log.recover(0)
    kernel = Kernel(compiled, 0, journalled=True, sequence=10)
    for number in range(3):
        feed(kernel, 0, [event("order.placed", T0 + number, f"O-{number}")])
        kernel.drain()
        delta = kernel.journal()
        await log.append(0, "delta", Step(10 + number, kernel.sequence, delta.begin, delta.end, delta.encode()))
    told = kernel.sequence
    log.records.values[0].pop()
    chain = await log.recover(0)
    revived = revive_kernel(compiled, 0, chain, first=1_000)
    assert revived.sequence == 1_000 > told
    assert revived.offsets == (2, 0, 0)
    # And what it says next continues the state it began with.
    feed(revived, 0, [event("order.placed", T0 + 5, "O-5")])
    revived.drain()
    delta = revived.journal()
    step = Step(chain.sequence or 0, revived.sequence, delta.begin, delta.end, delta.encode())
    await log.append(0, "delta", step)
    again = await log.recover(0)
    assert (again.sequence, again.end) == (1_001, (3, 0, 0))
    assert revive_kernel(compiled, 0, again, first=0).sequence == 1_001


async def test_a_reading_can_be_given_up(fixture: Fixture) -> None:
    fixture.logs.unreadable = {0}
    fixture.recovery.begin(0)
    await asyncio.sleep(0)
    fixture.recovery.cancel(0)
    fixture.logs.unreadable = set()
    fixture.recovery.begin(1)
    await until(lambda: fixture.made)
    assert fixture.made == [1]
    assert fixture.under_way == 0
