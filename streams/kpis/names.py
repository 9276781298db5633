"""Names to rows and rows to names: a hash table over bytes in flat arrays, so that no Python string is made to ask.

A case has a name of its own; a delivery or ticket has one within its case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.kpis.compiled import lean, njit
from streams.kpis.rows import GROWTH
from streams.kpis.scan.spans import joined, length_of, start_of
from streams.kpis.scan.words import PADDING, address, byte, mixed, same

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

_FREE = -1
NAMED, TEXT, WASTE, CASES = range(4)
"""How many names there are, how many bytes of text are taken, how many of them by names that are gone, how many of
the names are cases'."""


class Table(NamedTuple):
    """Shapes: P places (a power of two), R rows, B bytes.

    ``place`` (P) rows by hash, -1 where free; by row ``hash``, ``start`` and ``length`` in ``text``, and ``owner``: 0
    for a case, ``4 * case + kind`` for an entity of one, -1 for a row without a name. ``counts`` as above.
    """

    place: I64
    hash: I64
    start: I64
    length: I64
    owner: I64
    text: U8
    counts: I64


@lean
def _seek(table, owner, at, length, hash_):  # type: ignore[no-untyped-def]
    """The row of a name, -1 for none, and the place where it is or would be."""
    mask = np.int64(table.place.shape[0] - 1)
    place = hash_ & mask
    row = table.place[place]
    while row >= 0:
        if ((table.hash[row] == hash_) & (table.owner[row] == owner) & (table.length[row] == length)) and same(
            address(table.text) + table.start[row], at, length
        ):
            return row, place
        place = (place + 1) & mask
        row = table.place[place]
    return np.int64(-1), place


@lean
def _owner(kind, case):  # type: ignore[no-untyped-def]
    return 4 * case + kind if kind > 0 else np.int64(0)


@njit
def _find(table, raw, spans, kind, cases, rows):  # type: ignore[no-untyped-def]
    """The rows of names; how many have none (-1), and how many bytes those are."""
    missing = 0
    size = 0
    base = address(raw)
    for at in range(spans.shape[0]):
        owner = _owner(kind, cases[at])
        start, length = base + start_of(spans[at]), length_of(spans[at])
        rows[at], _ = _seek(table, owner, start, length, mixed(start, length, owner))
        if rows[at] < 0:
            missing += 1
            size += length
    return missing, size


@lean
def _put(table, row, owner, at, length, hash_, place):  # type: ignore[no-untyped-def]
    start = table.counts[TEXT]
    for offset in range(length):
        table.text[start + offset] = byte(at + offset)
    table.hash[row], table.start[row], table.length[row], table.owner[row] = hash_, start, length, owner
    table.place[place] = row
    table.counts[TEXT] += length
    table.counts[NAMED] += 1
    table.counts[CASES] += owner == 0


@njit
def _add(table, raw, spans, kind, cases, rows, fresh):  # type: ignore[no-untyped-def]
    """Give the rows in ``fresh``, in order, to the names that have none; returns how many were given.

    With ``kind`` 0 a name's case is its own row.
    """
    given = 0
    base = address(raw)
    for at in range(spans.shape[0]):
        if rows[at] >= 0:
            continue
        owner = _owner(kind, cases[at])
        start, length = base + start_of(spans[at]), length_of(spans[at])
        hash_ = mixed(start, length, owner)
        row, place = _seek(table, owner, start, length, hash_)
        if row < 0:
            row = fresh[given]
            given += 1
            _put(table, row, owner, start, length, hash_, place)
        rows[at] = row
    return given


@njit
def _restore(table, raw, spans, rows, owners):  # type: ignore[no-untyped-def]
    """Name rows that have no name, by names that nobody has."""
    base = address(raw)
    for at in range(rows.shape[0]):
        start, length = base + start_of(spans[at]), length_of(spans[at])
        hash_ = mixed(start, length, owners[at])
        _, place = _seek(table, owners[at], start, length, hash_)
        _put(table, rows[at], owners[at], start, length, hash_, place)


@njit
def _remove(table, rows):  # type: ignore[no-untyped-def]
    """Take rows' names away. What stood behind a name moves up, as if it had never been there."""
    mask = np.int64(table.place.shape[0] - 1)
    for row in rows:
        place = table.hash[row] & mask
        while table.place[place] != row:
            place = (place + 1) & mask
        following = (place + 1) & mask
        while table.place[following] >= 0:
            home = table.hash[table.place[following]] & mask
            if ((following - home) & mask) >= ((following - place) & mask):
                table.place[place] = table.place[following]
                place = following
            following = (following + 1) & mask
        table.place[place] = -1
        table.counts[NAMED] -= 1
        table.counts[CASES] -= table.owner[row] == 0
        table.counts[WASTE] += table.length[row]
        table.owner[row] = -1


@njit
def _spread(table, place):  # type: ignore[no-untyped-def]
    """Enter all names into an empty, larger hash table."""
    mask = np.int64(place.shape[0] - 1)
    for row in range(table.owner.shape[0]):
        if table.owner[row] >= 0:
            at = table.hash[row] & mask
            while place[at] >= 0:
                at = (at + 1) & mask
            place[at] = row


@njit
def _repack(table, text):  # type: ignore[no-untyped-def]
    """Move what is still named to another array."""
    used = 0
    for row in range(table.owner.shape[0]):
        if table.owner[row] >= 0:
            for offset in range(table.length[row]):
                text[used + offset] = table.text[table.start[row] + offset]
            table.start[row] = used
            used += table.length[row]
    table.counts[TEXT] = used
    table.counts[WASTE] = 0


class Names:
    """The names of one partition's rows."""

    def __init__(self) -> None:
        self._table = Table(
            place=np.full(16, _FREE, dtype=np.int64),
            hash=np.zeros(0, dtype=np.int64),
            start=np.zeros(0, dtype=np.int64),
            length=np.zeros(0, dtype=np.int64),
            owner=np.zeros(0, dtype=np.int64),
            text=np.zeros(256, dtype=np.uint8),
            counts=np.zeros(4, dtype=np.int64),
        )

    def __len__(self) -> int:
        return int(self._table.counts[NAMED])

    @property
    def cases(self) -> int:
        """How many of them are cases'."""
        return int(self._table.counts[CASES])

    def find(self, raw: U8, spans: I64, kind: int, cases: I64) -> tuple[I64, int, int]:
        """The rows of names, -1 for a name that has none; how many of those there are, and how many bytes they have.

        ``spans`` are the names' places in ``raw``, ``cases`` the rows of their cases (ignored where ``kind`` is 0).
        """
        rows = np.empty(spans.shape[0], dtype=np.int64)
        missing, size = _find(self._table, raw, spans, kind, cases, rows)
        return rows, int(missing), int(size)

    def add(self, raw: U8, spans: I64, kind: int, cases: I64, rows: I64, fresh: I64, size: int) -> int:
        """Give rows out of ``fresh``, in order, to the names that have none, and write them into ``rows``.

        Returns how many got one. ``size`` is at least the bytes they have.
        """
        self._make_room(fresh, size)
        return int(_add(self._table, raw, spans, kind, cases, rows, fresh))

    def restore(self, rows: I64, kinds: I64, cases: I64, names: Sequence[bytes]) -> None:
        """Name rows that have no name; nobody else has these names."""
        raw, spans = joined(names)
        self._make_room(rows, raw.shape[0])
        _restore(self._table, raw, spans, rows, np.where(kinds > 0, 4 * cases + kinds, 0))

    def remove(self, rows: I64) -> None:
        """These rows have no name any more."""
        _remove(self._table, rows)

    def names(self, rows: I64) -> list[bytes]:
        """The names of rows that have one."""
        text, starts = memoryview(self._table.text), self._table.start[rows]  # type: ignore[arg-type]
        ends = starts + self._table.length[rows]
        return [bytes(text[a:b]) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]

    def cases_of(self, rows: I64) -> I64:
        """The cases that deliveries and tickets belong to."""
        return self._table.owner[rows] // 4

    def all(self) -> tuple[list[int], list[bytes]]:
        """Every row that has a name, ascending, and the names."""
        rows = np.flatnonzero(self._table.owner >= 0)
        return rows.tolist(), self.names(rows)

    def _make_room(self, rows: I64, size: int) -> None:
        table = self._table
        reach = int(rows.max()) + 1 if rows.size else 0
        if reach > table.owner.shape[0]:
            capacity = max(1024, reach, table.owner.shape[0] + table.owner.shape[0] // GROWTH)
            grown = [np.full(capacity, _FREE, dtype=np.int64) for _ in range(4)]
            for old, new in zip((table.hash, table.start, table.length, table.owner), grown, strict=True):
                new[: old.shape[0]] = old
            table = table._replace(hash=grown[0], start=grown[1], length=grown[2], owner=grown[3])
        names = len(self) + rows.size
        if 2 * names > table.place.shape[0]:
            place = np.full(1 << int(2 * names).bit_length(), _FREE, dtype=np.int64)
            _spread(table, place)
            table = table._replace(place=place)
        used = int(table.counts[TEXT])
        if used + size + PADDING > table.text.shape[0]:
            kept = used - int(table.counts[WASTE])
            text = np.zeros(2 * (kept + size) + PADDING, dtype=np.uint8)
            _repack(table, text)
            table = table._replace(text=text)
        self._table = table
