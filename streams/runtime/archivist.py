"""The archivist: everything that arrives in the event topics goes to the archive.

It reads beside the workers, without a group. Where it goes on is known from the archive itself: from where the newest
file of a partition ends, if the broker still has the log that file is of. Of a topic that was made again it begins a
new log.
"""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from streams.errors import BrokerError
from streams.history.archive.compaction import compact
from streams.history.archive.files import ArchiveError, pieces_in, read, remove_drafts
from streams.history.archive.layout import Log, Piece, begun, newest_log
from streams.history.archive.sql import TOPICS
from streams.history.archive.writer import Writer
from streams.runtime.offsets import offset_ranges
from streams.runtime.ports import require_reachable
from streams.runtime.reader import consumer, goes_on
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config

log = structlog.get_logger(__name__)

AT_ONCE = 10_000
"""Records of one poll."""
COMPACT_EVERY = 3_600.0
"""Seconds between two looks for small files of days that are over."""
AGAIN_AFTER = 5.0
"""Seconds after which it is tried again where the broker went away, or the disk is full."""


def folder_of(config: Config) -> Path:
    """Where the archive of a namespace is."""
    return (config.archive.folder or config.data_dir / "archive") / config.namespace


class Archivist:
    """Archives the event, calendar and feedback topics until it is asked to stop. ``flush_s`` is how long a record
    waits to be written, in seconds, at the most; ``clock`` gives seconds that pass, ``wall`` epoch seconds."""

    def __init__(
        self,
        config: Config,
        flush_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._clock, self._wall = config, clock, wall
        self._flush_s = config.archive.flush / 1000 if flush_s is None else flush_s
        self.folder = folder_of(config)
        names = TopicNames(config.namespace)
        kafka = (*names.events, names.calendar, names.feedback)
        self._topics = dict(zip(kafka, TOPICS, strict=True))
        self._ends = threading.Event()
        self._flushed = self._compacted = clock()
        self.archived = 0
        """Records written since the start."""

    def stop(self) -> None:
        """Have :meth:`run` write what it has and return."""
        self._ends.set()

    def run(self) -> None:
        """Archive. Raises :class:`ArchiveError` where another one writes to the same archive."""
        with _alone(self.folder):
            remove_drafts(self.folder)
            while not self._ends.is_set():
                try:
                    self._follow()
                except (KafkaError, BrokerError, ArchiveError) as error:
                    log.warning("not archiving, trying again", error=str(error) or type(error).__name__)
                    self._ends.wait(AGAIN_AFTER)

    def _follow(self) -> None:
        require_reachable(self._config.kafka.bootstrap)
        reader, writer = consumer(self._config, strict=True), Writer(self.folder)
        try:
            logs, starts = self._begin(reader)
            reader.assign(list(starts))
            for partition, offset in starts.items():
                reader.seek(partition, offset)
            self._flushed = self._clock()
            log.info("archiving", folder=str(self.folder), partitions=len(starts))
            while not self._ends.is_set():
                for partition, found in reader.poll(500, max_records=AT_ONCE).items():
                    if found[0].offset < starts[partition]:
                        raise BrokerError(f"{partition.topic} was made again")
                    starts[partition] = found[-1].offset + 1
                    self._wrote(writer.add(logs[partition], [(r.offset, r.timestamp, r.key, r.value) for r in found]))
                self._tend(writer)
            self._wrote(writer.flush())
        finally:
            reader.close(autocommit=False)

    def _tend(self, writer: Writer) -> None:
        now = self._clock()
        if now - self._flushed >= self._flush_s:
            self._wrote(writer.flush())
            self._flushed = now
        if now - self._compacted >= COMPACT_EVERY:
            self._compacted = now
            joined = compact(self.folder, datetime.fromtimestamp(self._wall(), UTC).date())
            if joined:
                log.info("archive compacted", files=sum(len(one.parts) for one in joined), into=len(joined))

    def _wrote(self, pieces: Sequence[Piece]) -> None:
        self.archived += sum(piece.end - piece.first for piece in pieces)

    # -- where to begin -----------------------------------------------------------------------------------------

    def _begin(self, reader: Any) -> tuple[dict[TopicPartition, Log], dict[TopicPartition, int]]:
        """The log that each partition's records go to, and the offset to begin with."""
        partitions = [
            TopicPartition(topic, number)
            for topic in self._topics
            for number in sorted(reader.partitions_for_topic(topic) or ())
        ]
        if not partitions:
            raise BrokerError(f"there are no topics of namespace {self._config.namespace}")
        ranges, pieces = offset_ranges(self._config, partitions), pieces_in(self.folder)
        new = begun(int(self._wall() * 1000))
        logs, starts = {}, {}
        for partition in partitions:
            begin, end = ranges[partition]
            topic = self._topics[partition.topic]
            known = newest_log(pieces, topic, partition.partition)
            if known and self._goes_on(reader, partition, known[-1], (begin, end)):
                logs[partition], starts[partition] = known[-1].log, max(begin, known[-1].end)
                if begin > known[-1].end:
                    log.error(
                        "records are gone that were not archived",
                        topic=partition.topic,
                        partition=partition.partition,
                        first=known[-1].end,
                        last=begin - 1,
                    )
            else:
                logs[partition], starts[partition] = Log(topic, partition.partition, new), begin
        return logs, starts

    def _goes_on(self, reader: Any, partition: TopicPartition, newest: Piece, bounds: tuple[int, int]) -> bool:
        """Whether the broker's log is the one that was archived: it has the last record that was."""
        (ours,) = [some for some in read(self.folder, newest, newest.end - 2) if len(some)]

        def is_it(theirs: Any) -> bool:
            return bool(theirs.timestamp == int(ours.arrivals[-1]) and theirs.value == ours.values[-1])

        return goes_on(reader, partition, newest.end, bounds, is_it)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the archive for this process. Raises :class:`ArchiveError` where another one does, or cannot write there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("a")
    except OSError as error:
        raise ArchiveError(f"{folder}: cannot write there ({error.strerror})") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArchiveError(f"{folder}: another process archives there") from None
        yield
