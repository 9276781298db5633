"""Records archived to files as an archivist writes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from streams.history.archive.layout import Log
from streams.history.archive.writer import Writer
from streams.ingest.simulator.send import Record
from streams.runtime.partitions import partition_of

TOPICS = ("orders", "deliveries", "support", "calendar")


def archived(folder: Path, records: Iterable[Record], partitions: int, most_bytes: int) -> Path:
    """All of them, in files of about ``most_bytes``; the folder."""
    writer, offsets = Writer(folder, most_bytes), defaultdict[Log, int](int)
    for record in records:
        partition = partition_of(record.key, partitions) if record.partition is None else record.partition
        log = Log(TOPICS[record.family], partition, "20260301T000000")
        writer.add(log, [(offsets[log], record.arrival, record.key, record.value)])
        offsets[log] += 1
    writer.flush()
    return folder
