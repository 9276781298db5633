"""What the chunk transport and the app need of Faust that Faust does not promise. Each fails with a sentence when it
has changed; what the parts do together is held by tests/integration/test_private_parts_behaviour.py."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version
from typing import Any, cast

import faust
import pytest
from faust.app.base import BootStrategy
from faust.transport import by_url, consumer
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as stock
from faust.types import TP, ConsumerMessage

from streams.config import load_config
from streams.runtime.app import create_app
from streams.runtime.transport import Consumer, ConsumerThread, Transport
from tests.support.private_parts import holds, imports, same, sources

# Each private name of Faust's that is used or overridden, where, and what for.
USED: dict[str, tuple[Any, str]] = {
    "_create_worker_consumer": (stock.AIOKafkaConsumerThread, "overridden, to set what Faust has no settings for"),
    "_fetch_records": (stock.AIOKafkaConsumerThread, "overridden, to leave out what is held back"),
    "_ensure_consumer": (stock.AIOKafkaConsumerThread, "the aiokafka consumer, where it has been started"),
    "_new_consumer_thread": (stock.Consumer, "overridden, to have our thread"),
    "_read_offset": (consumer.Consumer, "replaced: of chunked topics nothing is remembered as read"),
    "_thread": (consumer.ThreadDelegateConsumer, "where our seeks and commits are made"),
    "_to_message": (stock.Consumer, "overridden: a chunk is one message"),
}

# What is imported of both libraries. A name that is not here has not been looked at.
IMPORTED = {
    "aiokafka.AIOKafkaProducer",
    "aiokafka.consumer.fetcher.FetchResult",
    "aiokafka.errors.CorruptRecordException",
    "aiokafka.errors.KafkaError",
    "aiokafka.errors.NoError",
    "aiokafka.errors.UnknownTopicOrPartitionError",
    "aiokafka.errors.for_code",
    "aiokafka.protocol.commit.OffsetCommitRequest",
    "aiokafka.structs.TopicPartition",
    "faust",
    "faust.app.base.BootStrategy",
    "faust.transport.drivers.TRANSPORTS",
    "faust.transport.drivers.aiokafka",
    "faust.types.ConsumerMessage",
    "faust.types.TP",
    "faust.types.tuples.Message",
    "mode.get_logger",
}


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("faust-streaming") == "0.15.3"


@pytest.mark.parametrize("name", USED)
def test_a_private_part_is_where_it_was(name: str) -> None:
    owner, why = USED[name]
    assert name in vars(owner) or name in inspect.get_annotations(owner), f"{owner.__name__} has no {name} now: {why}"


def test_nothing_is_imported_that_is_not_named_here() -> None:
    assert {name for _, tree in sources() for name in imports(tree)} == IMPORTED


def test_what_is_overridden_is_called_with_what_ours_take() -> None:
    same(stock.AIOKafkaConsumerThread._create_worker_consumer, "transport")
    same(stock.AIOKafkaConsumerThread._fetch_records, "consumer", "active_partitions", "timeout", "max_records")
    holds(stock.AIOKafkaConsumerThread.getmany, "self._fetch_records,")
    same(stock.Consumer._to_message, "tp", "record")
    same(consumer.Consumer.on_buffer_full, "tp")
    same(consumer.Consumer.on_partitions_assigned, "assigned", "generation_id")
    same(consumer.Consumer.seek_to_committed)
    same(faust.Schema.loads_key, "app", "message")
    same(faust.Schema.loads_value, "app", "message")
    holds(stock.AIOKafkaConsumerThread._create_consumer, "self._create_worker_consumer(transport)")
    holds(stock.AIOKafkaConsumerThread.on_start, "self._consumer = self._create_consumer(", "_consumer.start()")
    for name in ("__post_init__", "call_thread", "close", "on_start", "on_thread_stop"):
        assert callable(getattr(stock.AIOKafkaConsumerThread, name))


def test_a_thread_that_stops_stops_its_consumer_unless_it_was_closed_from_outside() -> None:
    # Hence our close() does nothing; see streams.runtime.transport.ConsumerThread.close.
    holds(stock.AIOKafkaConsumerThread.on_thread_stop, "await self._consumer.stop()")
    holds(stock.AIOKafkaConsumerThread.close, "self._consumer._closed = True", "self.app.loop")
    holds(faust.App._on_rebalance_when_stopped, "self.consumer.close()")


def test_the_thread_is_made_in_one_place_with_what_ours_gives_it() -> None:
    holds(stock.Consumer._new_consumer_thread, "AIOKafkaConsumerThread(self, loop=self.loop, beacon=self.beacon)")
    holds(consumer.ThreadDelegateConsumer.__init__, "self._thread = self._new_consumer_thread()")


def test_what_has_been_read_is_remembered_in_one_mapping_that_can_be_replaced() -> None:
    # It is looked up once for each run of the fetching loop, so it must be there before.
    holds(consumer.Consumer.__init__, "self._read_offset = defaultdict(lambda: None)")
    holds(
        consumer.Consumer._drain_messages,
        "get_read_offset = self._read_offset.__getitem__",
        "set_read_offset = self._read_offset.__setitem__",
        "offset >= r_offset",
        "acks_enabled_for(message.topic)",
    )
    holds(consumer.Consumer.perform_seek, "await self.seek_to_committed()", "read_offset.update")
    holds(consumer.Consumer.on_partitions_revoked, "self._read_offset.pop(tp, None)")
    holds(stock.AIOKafkaConsumerThread._seek_wait, "self.consumer._read_offset[tp] = offset")
    text = inspect.getsource(consumer) + inspect.getsource(stock)
    item, call = r"_read_offset(\[|: | = |\.pop\(|\.keys\(\)|\.__[gs]etitem__|$)", r"read_offset\.update\("
    as_a_dict = re.compile(rf"{item}|{call}|[gs]et_read_offset\(")
    for line in [line.strip() for line in text.splitlines() if "read_offset" in line]:
        assert as_a_dict.search(line), f"what Faust remembers having read is used otherwise: {line}"


def test_a_message_is_made_of_these_in_this_order() -> None:
    names = list(inspect.signature(ConsumerMessage.__init__).parameters)[1:]
    assert names[:12] == [
        "topic", "partition", "offset", "timestamp", "timestamp_type", "headers", "key", "value", "checksum",
        "serialized_key_size", "serialized_value_size", "tp",
    ]  # fmt: skip
    assert "generation_id" in names
    message = ConsumerMessage("t", 1, 5, 0.0, 0, None, None, None, None, 0, 0, TP("t", 1), generation_id=3)
    message.value = object()  # type: ignore[assignment]
    assert (message.offset, message.generation_id) == (5, 3)


def test_records_are_sent_with_these_in_this_order() -> None:
    names = list(inspect.signature(stock.Producer.send).parameters)[1:7]
    assert names == ["topic", "key", "value", "partition", "timestamp", "headers"]


def test_the_scheme_is_known_without_an_installation() -> None:
    assert TRANSPORTS.aliases["daybook"] == "streams.runtime.transport:Transport"
    assert by_url("daybook://127.0.0.1:9092") is Transport
    assert Transport.Consumer is Consumer
    assert issubclass(ConsumerThread, stock.AIOKafkaConsumerThread)


def test_an_app_has_what_is_asked_of_it() -> None:
    for name in ("consumer_generation_id", "on_partitions_revoked", "timer", "wait_until_stopped", "crash_reason"):
        assert hasattr(faust.App, name) or name in inspect.getsource(faust.App), f"faust.App has no {name} any more"
    holds(faust.App._on_partitions_revoked, "await T(self.on_partitions_revoked.send)(revoked)")
    holds(BootStrategy._should_enable_web, "return self.enable_web")


def test_a_worker_has_no_second_web_server_and_only_settings_that_are_known() -> None:
    app = create_app(load_config(env={}))
    assert list(cast(BootStrategy, app.boot_strategy).web_server()) == []
    assert app.conf.table_standby_replicas == 1
    assert str(app.conf.store) == "memory:"
