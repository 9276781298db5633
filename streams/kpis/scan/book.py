"""Texts looked up by their bytes: a small table that is made anew when what is in it changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.kpis.compiled import lean
from streams.kpis.scan.words import PADDING, address, mixed, same

I64 = npt.NDArray[np.int64]

MISSING = -1


class Book(NamedTuple):
    """Entries: a text in a ``space`` (so that several tables are one) has a ``value`` that is not negative.

    ``place`` is a hash table of entries, -1 where free, of a power of two places; ``text`` holds the bytes one after
    the other, entry ``n`` from ``start[n]`` to ``start[n + 1]``.
    """

    place: I64
    start: I64
    space: I64
    value: I64
    text: npt.NDArray[np.uint8]


@lean
def _fill(book):  # type: ignore[no-untyped-def]
    mask = np.int64(book.place.shape[0] - 1)
    text = address(book.text)
    for entry in range(book.space.shape[0]):
        start = book.start[entry]
        at = mixed(text + start, book.start[entry + 1] - start, book.space[entry]) & mask
        while book.place[at] >= 0:
            at = (at + 1) & mask
        book.place[at] = entry


@lean
def look_up(book, space, at, length):  # type: ignore[no-untyped-def]
    """The value of the text of ``length`` bytes at ``at``, :data:`MISSING` for none."""
    mask = np.int64(book.place.shape[0] - 1)
    place = mixed(at, length, space) & mask
    entry = book.place[place]
    while entry >= 0:
        start = book.start[entry]
        if (
            book.space[entry] == space
            and book.start[entry + 1] - start == length
            and same(address(book.text) + start, at, length)
        ):
            return book.value[entry]
        place = (place + 1) & mask
        entry = book.place[place]
    return np.int64(MISSING)


def make_book(entries: Sequence[tuple[int, bytes, int]]) -> Book:
    """A book of (space, text, value)."""
    capacity = 16
    while capacity < 2 * len(entries):
        capacity *= 2
    texts = [text for _, text, _ in entries]
    book = Book(
        place=np.full(capacity, -1, dtype=np.int64),
        start=np.cumsum([0, *map(len, texts)], dtype=np.int64),
        space=np.array([space for space, _, _ in entries], dtype=np.int64),
        value=np.array([value for _, _, value in entries], dtype=np.int64),
        text=np.frombuffer(b"".join((*texts, bytes(PADDING))), dtype=np.uint8),
    )
    _fill(book)
    return book
