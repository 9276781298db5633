"""The private parts of Faust and aiokafka that the chunk transport stands on: each is there and does what is needed.

The reasons are in docs/decisions/0002-chunk-transport.md, which is to be read before another version is allowed.
"""

from __future__ import annotations

import ast
import inspect
from collections import OrderedDict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiokafka.consumer.fetcher as fetcher
import faust
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.record.default_records import DefaultRecordBatch
from faust.transport import by_url, consumer
from faust.transport.drivers import aiokafka as stock

from streams.runtime.transport import Consumer, Transport

ROOT = Path(__file__).parents[2]

HELD = {
    # of aiokafka's consumer
    "_client": "test_assigning_waits_for_metadata_it_can_ask_for",
    "_coordinator": "test_assigning_waits_for_metadata_it_can_ask_for",
    "_perform_assignment": "test_assigning_waits_for_metadata_it_can_ask_for",
    "_performed_join_prepare": "test_a_commit_can_be_sent_beside_the_coordinator",
    "_send_req": "test_a_commit_can_be_sent_beside_the_coordinator",
    "_fetcher": "test_the_consumer_takes_the_fetch_settings_when_it_starts",
    "_fetch_max_bytes": "test_the_consumer_takes_the_fetch_settings_when_it_starts",
    "_fetch_max_wait_ms": "test_the_consumer_takes_the_fetch_settings_when_it_starts",
    "_max_partition_fetch_bytes": "test_the_consumer_takes_the_fetch_settings_when_it_starts",
    "_records": "test_the_fetcher_keeps_results_in_an_ordered_dict_that_is_only_filled_by_item",
    "_partition_records": "test_a_fetch_result_iterates_over_its_records_and_moves_to_their_next_offset",
    "_tp": "test_partition_records_have_what_chunks_are_made_of",
    "_check_crcs": "test_partition_records_have_what_chunks_are_made_of",
    # of Faust's
    "_create_worker_consumer": "test_fausts_consumer_has_the_seams_that_are_used",
    "_to_message": "test_fausts_consumer_has_the_seams_that_are_used",
    "_new_consumer_thread": "test_fausts_consumer_has_the_seams_that_are_used",
    "_ensure_consumer": "test_fausts_consumer_has_the_seams_that_are_used",
    "_thread": "test_fausts_consumer_has_the_seams_that_are_used",
    "_read_offset": "test_what_was_read_is_remembered_as_in_a_dict",
}
"""What is used, and the test that holds it."""


def used(path: Path) -> set[str]:
    """The names with a leading underscore that a module uses and does not make itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    private = {one.attr for one in attributes if one.attr.startswith("_") and not one.attr.startswith("__")}
    own = {
        one.attr
        for one in attributes
        if isinstance(one.ctx, ast.Store) and isinstance(one.value, ast.Name) and one.value.id == "self"
    }
    made = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    overridden = {
        function.name
        for kind in ast.walk(tree)
        if isinstance(kind, ast.ClassDef) and any("stock." in ast.unparse(base) for base in kind.bases)
        for function in kind.body
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and function.name.startswith("_")
        and hasattr(stock.Consumer, function.name) | hasattr(stock.AIOKafkaConsumerThread, function.name)
        and not function.name.startswith("__")
    }
    return (private - own - made) | overridden


def test_every_private_part_that_is_used_is_held_by_a_test() -> None:
    found = used(ROOT / "streams/runtime/transport.py") | used(ROOT / "streams/runtime/chunks.py")
    assert found - {"_records", "_read_offset"} == HELD.keys() - {"_records", "_read_offset"}
    assert set(HELD.values()) <= globals().keys()


def same(found: Any, expected: set[str], what: str) -> None:
    parameters = set(inspect.signature(found).parameters) - {"self"}
    assert expected <= parameters, (
        f"{what} has changed: parameters {sorted(expected - parameters)} are gone. The chunk transport uses them: "
        "read docs/decisions/0002-chunk-transport.md before this version is allowed."
    )


def holds(source: Any, *parts: str) -> None:
    text = inspect.getsource(source)
    for part in parts:
        assert part in text, (
            f"{source.__qualname__} no longer contains {part!r}. The chunk transport relies on it: read "
            "docs/decisions/0002-chunk-transport.md before this version is allowed."
        )


def test_the_versions_are_those_that_were_read() -> None:
    assert version("faust-streaming") == "0.15.3"
    assert version("aiokafka") == "0.14.0"


def test_the_fetcher_keeps_results_in_an_ordered_dict_that_is_only_filled_by_item() -> None:
    holds(fetcher.Fetcher.__init__, "self._records = collections.OrderedDict()", "self._records", "fetch_max_bytes")
    holds(fetcher.Fetcher._proc_fetch_request, "self._records[tp] = FetchResult(", "PartitionRecords(")
    holds(
        fetcher.Fetcher.fetched_records,
        "type(res_or_error) is FetchResult",
        "res_or_error.getall(max_records)",
        "del self._records[tp]",
    )
    holds(fetcher.Fetcher.seek_to, "del self._records[tp]")
    assert OrderedDict in fetcher.collections.OrderedDict.__mro__


def test_a_fetch_result_iterates_over_its_records_and_moves_to_their_next_offset() -> None:
    holds(
        fetcher.FetchResult.getall,
        "for msg in self._partition_records",
        "self._partition_records = None",
        "self.check_assignment(tp)",
    )
    holds(fetcher.FetchResult.check_assignment, "position != self._partition_records.next_fetch_offset")
    holds(fetcher.FetchResult._update_position, "self._partition_records.next_fetch_offset")


def test_partition_records_have_what_chunks_are_made_of() -> None:
    same(fetcher.PartitionRecords.__init__, {"tp", "records", "fetch_offset", "check_crcs"}, "PartitionRecords")
    holds(
        fetcher.PartitionRecords.__init__,
        "self._tp = tp",
        "self._records = records",
        "self._check_crcs = check_crcs",
        "self.next_fetch_offset = fetch_offset",
    )
    for name in ("is_control_batch", "next_offset", "validate_crc"):
        assert hasattr(DefaultRecordBatch, name), f"aiokafka's record batch has no {name} any more"


def test_the_consumer_takes_the_fetch_settings_when_it_starts() -> None:
    holds(
        AIOKafkaConsumer.start,
        "fetch_max_bytes=self._fetch_max_bytes",
        "fetch_max_wait_ms=self._fetch_max_wait_ms",
        "max_partition_fetch_bytes=self._max_partition_fetch_bytes",
    )
    same(GroupCoordinator.fetch_committed_offsets, {"partitions"}, "GroupCoordinator.fetch_committed_offsets")


def test_fausts_consumer_has_the_seams_that_are_used() -> None:
    same(stock.AIOKafkaConsumerThread._create_worker_consumer, {"transport"}, "_create_worker_consumer")
    same(stock.Consumer._to_message, {"tp", "record"}, "Consumer._to_message")
    same(consumer.Consumer.on_buffer_full, {"tp"}, "Consumer.on_buffer_full")
    same(consumer.Consumer.on_partitions_assigned, {"assigned", "generation_id"}, "Consumer.on_partitions_assigned")
    holds(consumer.Consumer.perform_seek, "await self.seek_to_committed()", "read_offset.update")
    holds(consumer.Consumer._drain_messages, "offset >= r_offset", "acks_enabled_for(message.topic)")
    holds(stock.Consumer._new_consumer_thread, "AIOKafkaConsumerThread(self, loop=self.loop, beacon=self.beacon)")
    for name in ("_ensure_consumer", "call_thread", "__post_init__", "on_start"):
        assert hasattr(stock.AIOKafkaConsumerThread, name)


def test_the_scheme_is_known_without_an_installation() -> None:
    assert by_url("daybook://127.0.0.1:9092") is Transport
    assert Transport.Consumer is Consumer


def test_assigning_waits_for_metadata_it_can_ask_for() -> None:
    holds(AIOKafkaConsumer.start, "self._coordinator = GroupCoordinator(")
    assert "self._client = AIOKafkaClient(" in inspect.getsource(AIOKafkaConsumer.__init__)
    same(GroupCoordinator._perform_assignment, {"response"}, "GroupCoordinator._perform_assignment")
    from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance

    holds(CoordinatorGroupRebalance._on_join_leader, "await self._coordinator._perform_assignment(response)")
    assert inspect.iscoroutinefunction(GroupCoordinator._perform_assignment)
    same(AIOKafkaClient.force_metadata_update, set(), "AIOKafkaClient.force_metadata_update")
    same(ClusterMetadata.partitions_for_topic, {"topic"}, "ClusterMetadata.partitions_for_topic")


def test_a_commit_can_be_sent_beside_the_coordinator() -> None:
    """And has to be; see streams.runtime.transport.ConsumerThread.commit_published."""
    same(GroupCoordinator._send_req, {"request"}, "GroupCoordinator._send_req")
    holds(GroupCoordinator._send_req, "if node_id is None:", "group=ConnectionGroup.COORDINATION", "return resp")
    holds(
        GroupCoordinator.ensure_active_group,
        "await self._on_join_prepare(prev_assignment)\n            self._performed_join_prepare = True",
        "success = await self._do_rejoin_group(subscription)\n        if success:\n"
        "            self._performed_join_prepare = False",
    )
    holds(
        GroupCoordinator._do_commit_offsets,
        "self.group_id,\n            self.generation,\n            self.member_id,",
        "(tp.partition, offset.offset, offset.metadata)",
        "for topic, partitions in response.topics:",
        "self.reset_generation()",
    )
    fields = ["consumer_group", "consumer_group_generation_id", "consumer_id", "retention_time", "topics"]
    assert list(inspect.signature(OffsetCommitRequest.__init__).parameters)[1:] == fields
    assert OffsetCommitRequest.DEFAULT_GENERATION_ID < 0


def test_a_stopped_thread_stops_its_consumer_unless_it_was_closed_from_outside() -> None:
    """Hence our ``close()`` does nothing; see streams.runtime.transport.ConsumerThread.close."""
    holds(stock.AIOKafkaConsumerThread.on_thread_stop, "await self._consumer.stop()")
    holds(AIOKafkaConsumer.stop, "if self._closed:")
    holds(stock.AIOKafkaConsumerThread.close, "self._consumer._closed = True", "self.app.loop")
    holds(faust.App._on_rebalance_when_stopped, "self.consumer.close()")


def test_fetches_that_are_cancelled_while_they_wait_end_who_closes_them() -> None:
    """Hence our ``on_thread_stop()``, which takes that for an end, and closes what comes after them."""
    holds(fetcher.Fetcher.close, "x.cancel()\n            await x")
    holds(AIOKafkaConsumer.stop, "await self._fetcher.close()\n        await self._client.close()")


@pytest.mark.parametrize("seam", ["on_start", "on_thread_stop", "close", "call_thread", "__post_init__"])
def test_what_the_consumers_thread_overrides_is_there(seam: str) -> None:
    assert callable(getattr(stock.AIOKafkaConsumerThread, seam))


def test_what_was_read_is_remembered_as_in_a_dict() -> None:
    holds(consumer.Consumer.__init__, "self._read_offset = defaultdict(lambda: None)")
    text = inspect.getsource(consumer) + inspect.getsource(stock)
    uses = ("_read_offset[", "_read_offset = ", "_read_offset.update(", ".pop(", "= self._read_offset", "_read_offset:")
    for line in [line for line in text.splitlines() if "self._read_offset" in line]:
        assert any(use in line for use in uses), f"what Faust remembers having read is used otherwise: {line.strip()}"
