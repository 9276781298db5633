"""Chunks: what one fetch brought of one partition, taken from aiokafka's buffers in one go.

Below aiokafka's ``ConsumerRecord`` on purpose: making one of each record takes four times what this does. The
private parts used are held by tests/unit/test_private_parts_*.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition
from faust.types import TP

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Chunk:
    """What one fetch brought of one partition, in log order.

    It covers the offsets from ``start`` up to, not including, ``end``; there may be fewer records than that,
    even none, where the log holds transaction markers or has been compacted. ``offsets`` and ``arrivals``
    (the log's timestamps, epoch ms) are int64, one for each of ``values`` and ``keys``. ``epoch`` counts the
    seeks of the partition: a chunk of an older epoch was fetched before the last one and is to be ignored.
    """

    tp: TP
    epoch: int
    start: int
    end: int
    offsets: I64
    arrivals: I64
    values: list[bytes | None]
    keys: list[bytes | None]

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        """Short: Faust puts events and messages into its log lines."""
        return f"<Chunk {self.tp.topic}/{self.tp.partition} {self.start}..{self.end} epoch={self.epoch}>"


class ChunkRecords:
    """Takes the place of aiokafka's ``PartitionRecords`` in a fetch result: all its records are one item."""

    def __init__(self, records: Any, epochs: Mapping[TopicPartition, int]) -> None:
        self._tp, self._unread, self._check_crcs = records._tp, records._records, records._check_crcs
        self._epochs = epochs
        self.next_fetch_offset: int = records.next_fetch_offset
        # It and its iterator hold each other, and a megabyte of records, until the garbage is collected.
        records._records_iterator = None

    def __iter__(self) -> Iterator[Chunk]:
        start = self.next_fetch_offset
        values: list[bytes | None] = []
        keys: list[bytes | None] = []
        offsets: list[int] = []
        stamps: list[int] = []
        add_value, add_key, add_offset, add_stamp = values.append, keys.append, offsets.append, stamps.append
        for batch in self._batches(start):
            # One by one: a list of the rows would keep their parsed headers alive and takes four times as long.
            for row in batch:
                add_value(row.value)
                add_key(row.key)
                add_offset(row.offset)
                add_stamp(row.timestamp)
        if self.next_fetch_offset == start:
            return
        skip = 0
        while skip < len(offsets) and offsets[skip] < start:
            skip += 1  # a fetch brings the whole batch that its offset lies in
        yield Chunk(
            TP(*self._tp),
            self._epochs[self._tp],
            start,
            self.next_fetch_offset,
            np.array(offsets[skip:], np.int64),
            np.array(stamps[skip:], np.int64),
            values[skip:],
            keys[skip:],
        )

    def _batches(self, start: int) -> Iterator[Any]:
        """The batches that hold records. Raises ``CorruptRecordException`` when the first one is damaged; a
        later one ends the iteration, and is fetched again."""
        batches, self._unread = self._unread, None  # a fetch result is kept for longer than its records are wanted
        while batches is not None and batches.has_next():
            batch = batches.next_batch()
            if self._check_crcs and not batch.validate_crc():
                if self.next_fetch_offset == start:
                    raise CorruptRecordException(f"damaged record batch in {self._tp} at offset {start}")
                return
            if not batch.is_control_batch:
                yield batch
            self.next_fetch_offset = batch.next_offset


class FetchedRecords(OrderedDict[TopicPartition, Any]):
    """The fetcher's buffer of fetch results, by partition; those of the chunked topics go in as chunks."""

    def __init__(self, topics: frozenset[str], epochs: Mapping[TopicPartition, int]) -> None:
        super().__init__()
        self._topics, self._epochs = topics, epochs

    def __setitem__(self, tp: TopicPartition, result: Any) -> None:
        if tp.topic in self._topics and type(result) is FetchResult:
            result._partition_records = ChunkRecords(result._partition_records, self._epochs)
        super().__setitem__(tp, result)
