"""How files of the archive are named, and what their names say.

``topic=orders/date=2026-03-02/20260301T081500.003.000000012000-000000015000.parquet`` holds the records of partition 3
from offset 12,000 up to, not including, 15,000, which arrived on that day (UTC), of the log that the archive began to
read on 1 March: a topic that was deleted and made again has another log, with offsets from 0 on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from streams.kpis.grid import DAY_MS

_NAME = re.compile(r"(\d{8}T\d{6})\.(\d{3,})\.(\d{12,})-(\d{12,})\.parquet")
_TOPIC, _DATE = "topic=", "date="
_EPOCH = date(1970, 1, 1).toordinal()
DRAFT = ".part"
"""What a file that is being written ends with."""


class Log(NamedTuple):
    """One partition of one topic, from when the archive began to read it (``begun``) until it was made again."""

    topic: str
    partition: int
    begun: str


class Piece(NamedTuple):
    """A file: ``first`` up to, not including, ``end`` of a log, which arrived on a ``day``."""

    log: Log
    first: int
    end: int
    day: date

    @property
    def name(self) -> Path:
        """Where it is, within the archive."""
        file = f"{self.log.begun}.{self.log.partition:03}.{self.first:012}-{self.end:012}.parquet"
        return Path(f"{_TOPIC}{self.log.topic}", f"{_DATE}{self.day}", file)


class Gap(NamedTuple):
    """Records from ``first`` up to, not including, ``end`` that are in no file, though later ones are."""

    log: Log
    first: int
    end: int


def piece_of(name: Path) -> Piece | None:
    """What a file within the archive holds; None where it is none of the archive's."""
    found = _NAME.fullmatch(name.name)
    folders = name.parts[:-1]
    if found is None or len(folders) != 2 or not (folders[0].startswith(_TOPIC) and folders[1].startswith(_DATE)):
        return None
    try:
        day = date.fromisoformat(folders[1].removeprefix(_DATE))
    except ValueError:
        return None
    log = Log(folders[0].removeprefix(_TOPIC), int(found[2]), found[1])
    first, end = int(found[3]), int(found[4])
    return Piece(log, first, end, day) if first < end else None


def begun(ms: int) -> str:
    """An instant (epoch ms) as a log's name has it."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y%m%dT%H%M%S}"


def day_of(ms: int) -> date:
    """The day (UTC) of an arrival, epoch ms."""
    return datetime.fromtimestamp(ms / 1000, UTC).date()


def midnight(day: date) -> int:
    """When a day (UTC) begins, epoch ms."""
    return (day.toordinal() - _EPOCH) * DAY_MS


def by_log(pieces: Iterable[Piece]) -> Iterator[tuple[Log, list[Piece]]]:
    """Log by log, the oldest of a partition first, its pieces by offset."""
    for log, several in groupby(sorted(pieces), key=lambda one: one.log):
        yield log, list(several)


def chosen(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces to read, by log and offset, so that each record comes once.

    A piece that another one holds whole is passed over: when files are made one, the parts are there for a moment
    beside the whole. Those left may still overlap where an archive was written by two; who reads them has to pass over
    what he has had.
    """
    found = []
    for _, several in by_log(pieces):
        end = -1
        for one in sorted(several, key=lambda one: (one.first, -one.end)):
            if one.end > end:
                found.append(one)
                end = one.end
    return found


def gaps(pieces: Iterable[Piece]) -> list[Gap]:
    """Where records are missing between the pieces of a log."""
    found = []
    for log, several in by_log(chosen(pieces)):
        for before, after in pairwise(several):
            if after.first > before.end:
                found.append(Gap(log, before.end, after.first))
    return found


def newest_log(pieces: Iterable[Piece], topic: str, partition: int) -> list[Piece]:
    """The pieces of a partition's newest log, by offset; none where nothing is archived of it."""
    logs = [several for log, several in by_log(chosen(pieces)) if (log.topic, log.partition) == (topic, partition)]
    return logs[-1] if logs else []
