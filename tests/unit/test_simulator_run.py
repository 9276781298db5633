from __future__ import annotations

import signal
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from streams.config import Config, load_config
from streams.errors import BrokerError, ConfigError
from streams.events.codec import ChunkDecoder
from streams.events.times import parse_time
from streams.ingest.simulator import FAMILIES, SimulatorSettings, read_labels
from streams.ingest.simulator.run import SimulatorRun, run_simulator
from streams.ingest.simulator.send import FULL_BATCH, Record
from tests.support.simulated import DAY, HOUR, MONDAY

NOON = MONDAY + 7 * DAY + 11 * HOUR
SHOP = SimulatorSettings(start=0)


class HandClock:
    """Time goes on only while somebody waits."""

    def __init__(self, now: int = NOON) -> None:
        self.ms = now
        self.waits: list[int] = []

    def now(self) -> int:
        return self.ms

    def wait(self, ms: int) -> bool:
        self.waits.append(ms)
        self.ms += ms
        return False


class Sent:
    """A sink that remembers, with the time it was handed each batch."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.batches: list[tuple[int, list[Record]]] = []

    def __call__(self, batch):
        self.batches.append((self._clock.now(), list(batch)))

    @property
    def records(self) -> list[tuple[int, Record]]:
        return [(ms, record) for ms, batch in self.batches for record in batch]

    def events(self):
        """(when it was sent, event) of all but heartbeats and calendar entries."""
        decoders = [ChunkDecoder(name) for name in FAMILIES[:3]]
        for ms, record in self.records:
            if record.family < 3 and not record.heartbeat:
                (event,), _ = decoders[record.family].decode_chunk([record.value])
                yield ms, event


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return replace(load_config(env={}), data_dir=tmp_path)


def go(config: Config, settings: SimulatorSettings = SHOP, **wanted) -> tuple[SimulatorRun, Sent, HandClock]:
    clock = HandClock()
    sent = Sent(clock)
    wanted = {"history": timedelta(days=3), "duration": timedelta(hours=1)} | wanted
    return run_simulator(config, settings, sink=sent, clock=clock, **wanted), sent, clock


def test_the_history_ends_now_and_life_goes_on(config):
    run, sent, clock = go(config)
    assert clock.now() == NOON + HOUR
    history = [event for ms, event in sent.events() if ms == NOON]
    live = [(ms, event) for ms, event in sent.events() if ms > NOON]
    assert run.history_events == len(history) > 1_000
    assert run.events == len(history) + len(live)
    assert len(live) > 20
    times = [parse_time(event.time) for event in history]
    assert NOON - 3 * DAY <= min(times) < NOON - 3 * DAY + 2 * HOUR
    assert NOON - HOUR < max(times) <= NOON
    for ms, event in live:
        assert 0 <= ms - parse_time(event.time) <= SHOP.max_delay + 20


def test_nothing_is_sent_before_it_arrives(config):
    _, sent, _ = go(config)
    assert all(record.arrival <= ms for ms, record in sent.records)


def test_every_partition_hears_the_heartbeats(config):
    run, sent, _ = go(config)
    beats = [(ms, record) for ms, record in sent.records if record.heartbeat]
    assert run.heartbeats == len(beats)
    places = Counter((record.family, record.partition) for _, record in beats)
    assert len(places) == 3 * config.kafka.partitions
    for family in range(3):
        assert len({places[family, partition] for partition in range(config.kafka.partitions)}) == 1
    # Of each source: hourly in the history, every five seconds in life.
    assert len(beats) % len(SimulatorSettings(start=NOON).sources()) == 0
    helpdesk = [ms for ms, record in beats if (record.family, record.partition) == (2, 0)]
    live = sum(ms > NOON for ms in helpdesk)
    assert live == pytest.approx(3600 / 5, abs=3)
    assert len(helpdesk) - live == pytest.approx(72, abs=3)


def test_events_arrive_in_order_in_full_batches(config):
    _, sent, _ = go(config)
    arrivals = [record.arrival for _, record in sent.records]
    assert arrivals == sorted(arrivals)
    history = [len(batch) for ms, batch in sent.batches if ms == NOON]
    assert set(history[:-2]) == {FULL_BATCH}


def test_a_fast_run_comes_from_the_past_and_ends_up_in_the_present(config):
    _, sent, clock = go(config, speed=60.0, history=timedelta(days=1), duration=timedelta(minutes=20))
    # Ten minutes at sixtyfold take 590 minutes of history along.
    lag = [(ms, ms - parse_time(event.time)) for ms, event in sent.events()]
    assert all(behind >= 0 for _, behind in lag)
    began = [behind for ms, behind in lag if NOON < ms < NOON + 30_000]
    assert all(9 * HOUR < behind < 10 * HOUR for behind in began)
    after = [behind for ms, behind in lag if ms > NOON + 11 * 60_000]
    assert after
    assert max(after) < 10_000
    assert clock.now() == NOON + 20 * 60_000
    # Not more waits than one each breath.
    assert min(clock.waits) >= 20 or clock.waits[-1] == min(clock.waits)


def test_a_slow_run_falls_behind(config):
    _, sent, _ = go(config, speed=0.5, history=timedelta(hours=1), duration=timedelta(hours=2))
    late = [ms - parse_time(event.time) for ms, event in sent.events() if ms > NOON + HOUR + 50 * 60_000]
    assert late
    assert min(late) > 50 * 60_000


def test_it_stops_after_so_many_events(config):
    run, sent, clock = go(config, max_events=777, duration=None)
    assert run.events == 777 == sum(not record.heartbeat for _, record in sent.records)
    assert clock.now() == NOON
    run, _, clock = go(config, max_events=50, history=timedelta(0), duration=None)
    assert run.events == 50
    assert clock.now() > NOON


def test_no_time_to_live_sends_the_history_only(config):
    run, sent, clock = go(config, duration=timedelta(0))
    assert run.events == run.history_events > 1_000
    assert clock.now() == NOON
    assert {ms for ms, _ in sent.batches} == {NOON}


def test_it_stops_when_told_to(config):
    stop = threading.Event()
    clock = HandClock()
    sent = Sent(clock)

    def until_enough(batch):
        sent(batch)
        if clock.now() > NOON + 60_000:
            stop.set()

    run_simulator(config, SHOP, history=timedelta(days=1), sink=until_enough, clock=clock, stop=stop)
    assert NOON + 60_000 < clock.now() < NOON + 90_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_leaves_the_handlers_as_they_were(config, number):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    clock = HandClock()
    batches = []

    def interrupted(batch):
        batches.append(batch)
        if len(batches) == 3:
            signal.raise_signal(number)

    run = run_simulator(config, SHOP, history=timedelta(days=9), sink=interrupted, clock=clock)
    assert 3 <= len(batches) <= 4
    assert run.events + run.heartbeats == sum(map(len, batches))
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_broker_that_fails_is_told(config):
    def broken(batch):
        raise BrokerError("gone")

    with pytest.raises(BrokerError, match="gone"):
        run_simulator(config, SHOP, history=timedelta(days=1), sink=broken, clock=HandClock())


def test_incidents_count_from_where_the_history_ends_and_leave_labels(config, tmp_path):
    run, sent, _ = go(
        config,
        incidents=["website_down start=-26h duration=4h name=Outage", "promotion start=+10m duration=30m strength=3"],
    )
    assert run.labels == tmp_path / "simulator" / "labels.jsonl"
    outage, promotion = read_labels(run.labels)
    assert parse_time(outage.start) == NOON - 26 * HOUR
    assert outage.lost_orders > 10
    assert parse_time(promotion.start) == NOON + 10 * 60_000
    placed = {event.subject for _, event in sent.events() if event.__struct_config__.tag == "order.placed"}
    assert set(promotion.orders) & placed
    assert [record.key for _, record in sent.records if record.family == 3]
    elsewhere = tmp_path / "other.jsonl"
    run, _, _ = go(config, incidents=["website_down"], labels=elsewhere)
    assert run.labels == elsewhere
    assert len(read_labels(elsewhere)) == 1


def test_random_incidents_come_in_the_history(config):
    run, _, _ = go(config, history=timedelta(days=56), duration=timedelta(0), incidents_per_week=2.0,
                   settings=replace(SHOP, orders_per_day=10))  # fmt: skip
    labels = read_labels(run.labels)
    assert len(labels) > 5
    assert all(NOON - 56 * DAY <= parse_time(label.start) < NOON for label in labels)


def test_without_incidents_there_are_no_labels(config, tmp_path):
    run, _, _ = go(config)
    assert run.labels is None
    assert list(tmp_path.iterdir()) == []


def test_the_business_is_that_of_the_configuration(config):
    elsewhere = replace(config, business=replace(config.business, timezone="Asia/Tokyo", currency="JPY"))
    _, sent, _ = go(elsewhere)
    placed = [event for _, event in sent.events() if event.__struct_config__.tag == "order.placed"]
    assert {event.data.currency for event in placed} == {"JPY"}
    assert all(event.data.promised_at.endswith("T11:00:00.000Z") for event in placed)  # 20:00 in Tokyo


def test_disorder_stays_within_what_the_configuration_allows(config):
    strict = replace(config, time=replace(config.time, out_of_order=3_000))
    _, sent, _ = go(strict)
    assert max(ms - parse_time(event.time) for ms, event in sent.events() if ms > NOON) <= 2_020


def test_started_again_it_is_the_same_shop(config):
    """Orders of the time both runs cover have the same ids, times and amounts."""

    def orders(begins: int):
        clock = HandClock(begins)
        sent = Sent(clock)
        run_simulator(config, SHOP, history=timedelta(days=2), duration=timedelta(0), sink=sent, clock=clock)
        return {e.id: e for _, e in sent.events() if e.__struct_config__.tag == "order.placed"}

    first, second = orders(NOON), orders(NOON + 5 * HOUR)
    common = first.keys() & second.keys()
    assert len(common) > 400
    assert all(first[name] == second[name] for name in common)
    overlap = [e for e in second.values() if NOON - 2 * DAY + 5 * HOUR < parse_time(e.time) < NOON - 10_000]
    assert {event.id for event in overlap} <= first.keys()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"speed": 0.0}, "speed 0 is not above 0"),
        ({"history": timedelta(days=-1)}, "history cannot be negative"),
        ({"incidents": ["flood"]}, "'flood' is not a kind"),
        ({"incidents": ["courier_outage carrier=none"]}, "there is no carrier 'none'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(config, wanted, message):
    with pytest.raises(ConfigError, match=message):
        go(config, **wanted)
