"""What chunks need of aiokafka that aiokafka does not promise. Each fails with a sentence when it has changed; what
the parts do together is held by tests/integration/test_private_parts_behaviour.py."""

from __future__ import annotations

import ast
import inspect
from collections import OrderedDict
from importlib.metadata import version
from typing import Any

import aiokafka.consumer.fetcher as fetcher
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance, GroupCoordinator
from aiokafka.errors import CommitFailedError, GroupCoordinatorNotAvailableError, KafkaConnectionError, KafkaError
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.structs import TopicPartition
from faust.types import TP

from tests.support.private_parts import holds, private_uses, reaches_out, same, sources
from tests.unit.test_private_parts_faust import USED as OF_FAUST

# Each private name of aiokafka's that is used, where, and what for.
USED = {
    "_client": (AIOKafkaConsumer, "knows which topics there are, and can be asked to find out"),
    "_fetcher": (AIOKafkaConsumer, "its buffer of fetch results is where chunks are made"),
    "_fetch_max_bytes": (AIOKafkaConsumer, "bounds the memory of a backlog; Faust has no setting for it"),
    "_fetch_max_wait_ms": (AIOKafkaConsumer, "Faust's 1,500 ms would be a stall; it has no setting for it"),
    "_max_partition_fetch_bytes": (AIOKafkaConsumer, "bounds the size of a chunk"),
    "_records": (fetcher.Fetcher, "the buffer; and in PartitionRecords, the batches of one fetch"),
    "_partition_records": (fetcher.FetchResult, "is swapped for one that gives a chunk"),
    "_records_iterator": (fetcher.PartitionRecords, "holds its owner, and the records, until it is let go of"),
    "_tp": (fetcher.PartitionRecords, "the chunk says where it is from"),
    "_check_crcs": (fetcher.PartitionRecords, "a damaged batch must not be folded"),
}
# The same, where it is not made with the object.
USED_LATER: dict[str, tuple[Any, str]] = {
    "_coordinator": (AIOKafkaConsumer.start, "the group's; made when the consumer starts"),
    "_perform_assignment": (CoordinatorGroupRebalance._on_join_leader, "is made to wait for metadata"),
    "_performed_join_prepare": (GroupCoordinator.ensure_active_group, "says that the group is being joined"),
    "_send_req": (GroupCoordinator._do_commit_offsets, "sends a commit that costs nothing when it is refused"),
}


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("aiokafka") == "0.14.0"


@pytest.mark.parametrize("name", USED)
def test_a_private_part_is_where_it_was(name: str) -> None:
    owner, why = USED[name]
    holds(owner.__init__, f"self.{name} =", why=why)


@pytest.mark.parametrize("name", USED_LATER)
def test_a_private_part_is_used_where_it_was(name: str) -> None:
    source, why = USED_LATER[name]
    holds(source, name, why=why)


def test_none_is_used_that_is_not_named_here() -> None:
    used = {name for module, tree in sources() if reaches_out(tree) for name in private_uses(module, tree)}
    held = USED.keys() | USED_LATER.keys() | OF_FAUST.keys()
    assert used - held == set(), "a private part is used that no contract test holds"
    assert held - used == set(), "a contract holds what nobody uses any more"


def test_a_private_use_is_found_in_every_form_it_has() -> None:
    written = """
from faust.app import _a
import os
def use(self, consumer):
    consumer._b
    self.consumer._c = 1
    super()._d()
    getattr(consumer, "_e", None)
    self._own, os._exit
"""
    assert private_uses("anywhere", ast.parse(written)) == {"_a", "_b", "_c", "_d", "_e"}


def test_the_fetcher_fills_its_buffer_by_item_only_so_that_every_result_passes_ours() -> None:
    holds(fetcher.Fetcher.__init__, "self._records = collections.OrderedDict()")
    holds(fetcher.Fetcher._proc_fetch_request, "self._records[tp] = FetchResult(", "PartitionRecords(")
    for name in ("setdefault", "update", "__ior__"):
        assert f"_records.{name}" not in fetcher_source(), f"results get past __setitem__, by {name}"
    assert issubclass(fetcher.collections.OrderedDict, OrderedDict)


def fetcher_source() -> str:
    with open(fetcher.__file__, encoding="utf-8") as file:
        return file.read()


def test_the_fetcher_compares_the_type_of_a_result_so_that_ours_must_be_its_own_kind() -> None:
    holds(
        fetcher.Fetcher.fetched_records,
        "type(res_or_error) is FetchResult",
        "res_or_error.getall(max_records)",
        "del self._records[tp]",
    )
    holds(fetcher.Fetcher.seek_to, "del self._records[tp]")


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
    same(fetcher.PartitionRecords.__init__, "tp", "records", "fetch_offset", "check_crcs")
    holds(
        fetcher.PartitionRecords.__init__,
        "self._tp = tp",
        "self._records = records",
        "self._check_crcs = check_crcs",
        "self.next_fetch_offset = fetch_offset",
    )
    holds(fetcher.PartitionRecords._unpack_records, "records.has_next()", "records.next_batch()")
    for name in ("is_control_batch", "next_offset", "validate_crc"):
        assert hasattr(DefaultRecordBatch, name), f"aiokafka's record batch has no {name} any more"


def test_the_consumer_takes_the_fetch_settings_when_it_starts_so_that_they_can_be_set_before() -> None:
    holds(
        AIOKafkaConsumer.start,
        "fetch_max_bytes=self._fetch_max_bytes",
        "fetch_max_wait_ms=self._fetch_max_wait_ms",
        "max_partition_fetch_bytes=self._max_partition_fetch_bytes",
    )


def test_assigning_can_be_made_to_wait_for_metadata() -> None:
    # A leader that does not know the topics yet would assign nothing, and nobody asks again for five minutes.
    holds(AIOKafkaConsumer.start, "self._coordinator = GroupCoordinator(")
    holds(AIOKafkaConsumer.__init__, "self._client = AIOKafkaClient(")
    same(GroupCoordinator._perform_assignment, "response")
    assert inspect.iscoroutinefunction(GroupCoordinator._perform_assignment)
    holds(CoordinatorGroupRebalance._on_join_leader, "await self._coordinator._perform_assignment(response)")
    same(AIOKafkaClient.force_metadata_update)
    same(ClusterMetadata.partitions_for_topic, "topic")


def test_a_commit_can_be_sent_beside_the_coordinator() -> None:
    # And has to be; see streams.runtime.transport.ConsumerThread.commit_published.
    same(GroupCoordinator._send_req, "request")
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


def test_fetches_that_are_cancelled_while_they_wait_end_who_closes_them() -> None:
    # Hence our on_thread_stop(), which takes that for an end, and closes what comes after them.
    holds(fetcher.Fetcher.close, "x.cancel()\n            await x")
    holds(AIOKafkaConsumer.stop, "await self._fetcher.close()\n        await self._client.close()")


def test_a_consumer_that_was_closed_is_not_stopped() -> None:
    # Hence our close() does nothing; see streams.runtime.transport.ConsumerThread.close.
    holds(AIOKafkaConsumer.stop, "if self._closed:")


def test_committed_offsets_are_asked_for_by_partition() -> None:
    same(GroupCoordinator.fetch_committed_offsets, "partitions")
    # Without arguments it would seek all, also those that are read on from what the state log says.
    holds(AIOKafkaConsumer.seek_to_committed, "if not partitions", "self._subscription.assigned_partitions()")


@pytest.mark.parametrize("error", [CommitFailedError, GroupCoordinatorNotAvailableError, KafkaConnectionError])
def test_what_sending_a_commit_raises_is_of_one_kind(error: type[Exception]) -> None:
    # commit_published() takes these for harmless, and nothing else.
    assert issubclass(error, KafkaError)


def test_topic_partitions_of_both_libraries_are_the_same_key() -> None:
    # Positions are kept under theirs, looked up under ours.
    assert {TopicPartition("orders", 1): 7}[TP("orders", 1)] == 7


def test_a_partition_that_is_not_ours_has_no_highwater_and_says_so_by_an_assertion() -> None:
    holds(AIOKafkaConsumer.highwater, "assert self._subscription.is_assigned(partition)")


def test_the_producer_waits_to_fill_batches_and_numbers_what_it_has_sent() -> None:
    # The state log sends the frames of an entry one after the other and compares the offsets where they landed.
    same(AIOKafkaProducer.__init__, "acks", "max_request_size", "request_timeout_ms")
    same(AIOKafkaProducer.send, "topic", "value", "key", "partition")
