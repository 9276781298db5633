"""What the console keeps: values hour by hour, incidents with all that was known of them, who was called.

One SQLite file, in which what was read stands together with how far it was read: a restart loses nothing.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from detectors.incidents.incident import Incident
from streams.errors import DaybookError
from streams.kpis.values import KpiValue

if TYPE_CHECKING:
    from streams.config import Config

VERSION = 1
_TABLES = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY, kpi TEXT NOT NULL, stat TEXT NOT NULL, slice TEXT NOT NULL, span TEXT NOT NULL,
    unit TEXT NOT NULL, better TEXT NOT NULL, UNIQUE (kpi, stat, slice, span));
CREATE TABLE grains (
    series INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, status TEXT NOT NULL,
    revision INTEGER NOT NULL, value REAL, weight INTEGER NOT NULL, parts TEXT NOT NULL,
    low REAL, middle REAL, high REAL,
    surprise REAL NOT NULL, side INTEGER NOT NULL, alert INTEGER NOT NULL, why TEXT NOT NULL,
    PRIMARY KEY (series, start)) WITHOUT ROWID;
CREATE INDEX grains_by_start ON grains (start);
CREATE TABLE incidents (
    id TEXT NOT NULL, revision INTEGER NOT NULL, until INTEGER NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (id, revision)) WITHOUT ROWID;
CREATE TABLE contacted (
    incident TEXT NOT NULL, line TEXT NOT NULL, by TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (incident, line)) WITHOUT ROWID;
CREATE TABLE read (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, last TEXT NOT NULL,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
"""
_SLICES = msgspec.json.Decoder(dict[str, str])
_PARTS = msgspec.json.Decoder(tuple[int, ...])


class HistoryError(DaybookError):
    """The file cannot be read or written: the message names it."""


class Place(NamedTuple):
    """How far a partition has been read: the offset to read ``next``, what tells the ``last`` record from others."""

    next: int
    last: str


class Mark(NamedTuple):
    """Who did something, and when (epoch ms)."""

    by: str
    at: int


def history_path(config: Config) -> Path:
    """Where the history of a namespace is kept."""
    return config.data_dir / "console" / f"{config.namespace}.sqlite"


class History:
    """The file at ``path``, which is made where there is none. May be used by several threads.

    Raises :class:`HistoryError` where it is none of ours, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.RLock()
        self._ids: dict[tuple[str, str, str, str], int] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
            elif version != VERSION:
                raise HistoryError(f"{path}: is of version {version}, this one keeps {VERSION}; move it away")
        except (sqlite3.Error, OSError) as error:
            raise HistoryError(f"{path}: cannot be used as the console's history ({error})") from None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _all_or_nothing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException as error:
                # Also the ids of series that were made in it.
                self._ids.clear()
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error | OverflowError):
                    raise HistoryError(f"{self._path}: cannot be written ({error})") from None
                raise

    # -- what is read -------------------------------------------------------------------------------------------

    def take(
        self, values: Iterable[KpiValue], incidents: Iterable[Incident], places: Mapping[tuple[str, int], Place]
    ) -> None:
        """Keep final and corrected values of grains, and revisions of incidents, together with how far was read."""
        with self._all_or_nothing() as db:
            db.executemany(
                "INSERT INTO grains VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET status = excluded.status, revision = excluded.revision, "
                "value = excluded.value, weight = excluded.weight, parts = excluded.parts, "
                # A correction is not judged again: what was expected at first stays.
                "low = coalesce(excluded.low, low), middle = coalesce(excluded.middle, middle), "
                "high = coalesce(excluded.high, high), surprise = max(surprise, excluded.surprise), "
                "side = CASE WHEN excluded.side = 0 THEN side ELSE excluded.side END, "
                "alert = max(alert, excluded.alert), why = CASE WHEN excluded.why = '' THEN why ELSE excluded.why END "
                "WHERE excluded.revision >= revision",
                [self._row(db, value) for value in values],
            )
            db.executemany(
                "INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?)",
                [(one.id, one.revision, one.until, one.encode()) for one in incidents],
            )
            db.executemany(
                "INSERT OR REPLACE INTO read VALUES (?, ?, ?, ?)",
                [(topic, partition, *place) for (topic, partition), place in places.items()],
            )

    def _row(self, db: sqlite3.Connection, value: KpiValue) -> tuple[object, ...]:
        low, middle, high = value.expected or (None, None, None)
        return (
            self._series(db, value),
            value.start,
            value.end,
            value.status,
            value.revision,
            value.value,
            value.weight,
            msgspec.json.encode(value.parts).decode(),
            low,
            middle,
            high,
            value.surprise,
            value.side,
            value.alert,
            value.why,
        )

    def _series(self, db: sqlite3.Connection, value: KpiValue) -> int:
        key = (value.kpi, value.stat, _text(value.slice), value.span)
        found = self._ids.get(key)
        if found is None:
            db.execute("INSERT OR IGNORE INTO series VALUES (NULL, ?, ?, ?, ?, ?, ?)", (*key, value.unit, value.better))
            found = db.execute("SELECT id FROM series WHERE (kpi, stat, slice, span) = (?, ?, ?, ?)", key).fetchone()[0]
            self._ids[key] = found
        return int(found)

    def places(self) -> dict[tuple[str, int], Place]:
        """How far each topic and partition has been read."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM read").fetchall()
        return {(topic, partition): Place(next_, last) for topic, partition, next_, last in rows}

    def begin_anew(self, topic: str, *, incidents: bool) -> None:
        """A topic was made again: what is in it now is read from its beginning. ``incidents``: those of before are none
        any more."""
        with self._all_or_nothing() as db:
            db.execute("DELETE FROM read WHERE topic = ?", (topic,))
            if incidents:
                db.execute("DELETE FROM incidents")
            else:
                # They are told again, from the first revision on.
                db.execute(
                    "UPDATE grains SET revision = -1, low = NULL, middle = NULL, high = NULL, surprise = 0, side = 0, "
                    "alert = 0, why = ''"
                )

    def forget(self, before: int) -> None:
        """Let go of what ended before an instant, epoch ms."""
        with self._all_or_nothing() as db:
            db.execute("DELETE FROM grains WHERE start < ?", (before,))
            db.execute("DELETE FROM incidents WHERE id IN (SELECT id FROM incidents GROUP BY id HAVING max(until) < ?)",
                       (before,))  # fmt: skip
            db.execute("DELETE FROM contacted WHERE incident NOT IN (SELECT id FROM incidents) AND at < ?", (before,))

    # -- what is shown ------------------------------------------------------------------------------------------

    def grains(self, kpi: str, stat: str, slice_: Mapping[str, str], since: int, until: int) -> list[KpiValue]:
        """The values of a series in grains that begin from one instant to another, which is left out, epoch ms."""
        return self._values(
            "kpi = ? AND stat = ? AND slice = ? AND start >= ? AND start < ? ORDER BY start",
            (kpi, stat, _text(slice_), since, until),
        )

    def since(self, start: int) -> list[KpiValue]:
        """The values of all series in grains that begin at an instant or later, epoch ms, by time."""
        return self._values("start >= ? ORDER BY start", (start,))

    def at(self, kpi: str, start: int) -> list[KpiValue]:
        """What all slices of a KPI were in the grain that begins at an instant, epoch ms."""
        return self._values("kpi = ? AND start = ? ORDER BY stat, slice", (kpi, start))

    def _values(self, where: str, values: tuple[object, ...]) -> list[KpiValue]:
        with self._lock:
            rows = self._db.execute(
                "SELECT kpi, stat, slice, span, unit, better, grains.* FROM grains JOIN series ON series.id = series "
                f"WHERE {where}",
                values,
            ).fetchall()
        return [_value(row) for row in rows]

    def slices(self, kpi: str, stat: str) -> list[dict[str, str]]:
        """The slices that are known of a statistic, the total first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT DISTINCT slice FROM series WHERE kpi = ? AND stat = ? ORDER BY slice", (kpi, stat)
            ).fetchall()
        return sorted((_SLICES.decode(text) for (text,) in rows), key=lambda one: (len(one), sorted(one.items())))

    def newest_grain(self, kpi: str, stat: str) -> tuple[int, int] | None:
        """From when to when the newest grain of a KPI's total goes, epoch ms; None where none is known."""
        with self._lock:
            found = self._db.execute(
                'SELECT start, "end" FROM grains WHERE series IN (SELECT id FROM series WHERE kpi = ? AND stat = ? '
                "AND slice = '{}') ORDER BY start DESC LIMIT 1",
                (kpi, stat),
            ).fetchone()
        return None if found is None else (int(found[0]), int(found[1]))

    def newest(self) -> int | None:
        """Where the newest grain ends, epoch ms."""
        with self._lock:
            found = self._db.execute('SELECT max("end") FROM grains').fetchone()[0]
        return None if found is None else int(found)

    def incidents(self) -> list[Incident]:
        """All that are kept, as they are now, the newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT record FROM incidents "
                "WHERE (id, revision) IN (SELECT id, max(revision) FROM incidents GROUP BY id)"
            ).fetchall()
        found = [Incident.decode(record) for (record,) in rows]
        return sorted(found, key=lambda one: (one.since, one.id), reverse=True)

    def revisions(self, name: str) -> list[Incident]:
        """All that was known of an incident, the newest last; nothing where there is none of that id."""
        with self._lock:
            rows = self._db.execute("SELECT record FROM incidents WHERE id = ? ORDER BY revision", (name,)).fetchall()
        return [Incident.decode(record) for (record,) in rows]

    # -- what people do -----------------------------------------------------------------------------------------

    def contacted(self, incident: str) -> dict[str, Mark]:
        """By line of the worklist, who called whom it is about."""
        with self._lock:
            rows = self._db.execute("SELECT line, by, at FROM contacted WHERE incident = ?", (incident,)).fetchall()
        return {line: Mark(by, at) for line, by, at in rows}

    def contact(self, incident: str, line: str, mark: Mark | None) -> None:
        """Somebody called, or did not after all."""
        with self._all_or_nothing() as db:
            db.execute("DELETE FROM contacted WHERE incident = ? AND line = ?", (incident, line))
            if mark is not None:
                db.execute("INSERT INTO contacted VALUES (?, ?, ?, ?)", (incident, line, *mark))


def _text(slice_: Mapping[str, str]) -> str:
    return msgspec.json.encode(dict(sorted(slice_.items()))).decode()


def _value(row: tuple[object, ...]) -> KpiValue:
    kpi, stat, slice_, span, unit, better, _, start, end, status, revision, value, weight, parts, *judged = row
    low, middle, high, surprise, side, alert, why = judged
    return KpiValue(
        kpi=kpi,  # type: ignore[arg-type]
        stat=stat,  # type: ignore[arg-type]
        slice=_SLICES.decode(slice_),  # type: ignore[arg-type]
        span=span,  # type: ignore[arg-type]
        rolling=False,
        start=start,  # type: ignore[arg-type]
        end=end,  # type: ignore[arg-type]
        value=value,  # type: ignore[arg-type]
        weight=weight,  # type: ignore[arg-type]
        parts=_PARTS.decode(parts),  # type: ignore[arg-type]
        status=status,  # type: ignore[arg-type]
        revision=revision,  # type: ignore[arg-type]
        unit=unit,  # type: ignore[arg-type]
        better=better,  # type: ignore[arg-type]
        expected=None if low is None else (low, middle, high),  # type: ignore[arg-type]
        surprise=surprise,  # type: ignore[arg-type]
        side=side,  # type: ignore[arg-type]
        alert=bool(alert),
        why=why,  # type: ignore[arg-type]
    )
