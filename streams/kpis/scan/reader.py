"""A chunk's record values to columns: the usual records by compiled code, the others by way of the decoder.

Whichever way a record is read, the result is the same; tests hold this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from streams.events.codec import ChunkDecoder, Rejection
from streams.events.types import BusinessEvent
from streams.kpis.columns import Columns, read_times, type_codes
from streams.kpis.dictionary import Dictionary
from streams.kpis.duplicates import digests
from streams.kpis.plan import Plan
from streams.kpis.rows import NONE
from streams.kpis.scan.book import Book, make_book
from streams.kpis.scan.contract import CHOICE, FAMILY_OF, ITEMS, MOST_SLOTS, TEXT, WHOLE, data_fields
from streams.kpis.scan.gather import gather, wanted_by
from streams.kpis.scan.packed import pack
from streams.kpis.scan.record import Scanned, scan
from streams.kpis.scan.spans import begin, size, span
from streams.kpis.scan.text import UNSURE
from streams.kpis.scan.words import PADDING

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

MOST_SOURCES = 4096
"""As many sources' seeds are kept; many sources are no more than a slower path."""


class Scan(NamedTuple):
    """A chunk that has been read. ``raw`` holds the texts ``scanned`` points at; ``kind`` is UNSURE where a record was
    turned away. ``bad`` names what is no time, by place in the chunk; ``rejected`` what the decoder turned away."""

    raw: U8
    scanned: Scanned
    bad: dict[int, str]
    rejected: list[tuple[int, Rejection]]


class _Sources:
    """The seeds of the sources met so far."""

    def __init__(self) -> None:
        self._names: list[bytes] = []
        self.seeds = np.zeros(0, dtype=np.uint64)
        self.book = make_book([])

    def add(self, name: bytes) -> None:
        if len(self._names) >= MOST_SOURCES:
            self._names, self.seeds = [], self.seeds[:0]
        self._names.append(name)
        self.seeds = np.append(self.seeds, np.uint64(xxhash.xxh3_64_intdigest(name)))
        self.book = make_book([(0, one, at) for at, one in enumerate(self._names)])


class Reader:
    """Reads the chunks of one partition. The dictionaries are the kernel's: who else changes them need not say so."""

    def __init__(self, plan: Plan, dictionaries: Sequence[Dictionary]) -> None:
        self._plan = plan
        self._wanted, self._texts = wanted_by(plan)
        self._dictionaries = dictionaries
        self._sources = _Sources()
        self._book = make_book(self._texts)
        self._naming: list[int] = []

    def read(self, decoder: ChunkDecoder, values: Sequence[bytes | None]) -> Scan:
        """Read each value as if it were alone."""
        packed = pack(values)
        raw = packed.raw
        scanned = _empty(len(packed))
        longest, family, sources = decoder.max_bytes, FAMILY_OF[decoder.family], self._sources
        at = 0
        while True:
            at = scan(raw, packed.starts, packed.ends, at, longest, family, sources.book, sources.seeds, scanned)
            if at == len(packed):
                break
            name = int(scanned.source[at])
            sources.add(raw[begin(name) : begin(name) + size(name)].tobytes())
        unsure = np.flatnonzero(scanned.kind == UNSURE)
        if not unsure.size:
            return Scan(raw, scanned, {}, [])
        events, rejected = decoder.decode_chunk([values[place] for place in unsure.tolist()])
        places = unsure[[event is not None for event in events]]
        decoded = [event for event in events if event is not None]
        more, bad = _spell(decoded, places, scanned, raw.shape[0])
        raw = np.frombuffer(b"".join((raw.tobytes(), *more, bytes(PADDING))), dtype=np.uint8)
        return Scan(raw, scanned, bad, [(int(unsure[at]), why) for at, why in rejected])

    def columns(self, read: Scan, chosen: I64) -> Columns:
        """The columns of some records; new dimension values enter the dictionaries in order."""
        naming = [values.naming for values in self._dictionaries]
        if naming != self._naming:
            self._book, self._naming = self._new_book(), naming
        count = chosen.shape[0]
        columns = Columns(
            moments=np.empty(count, dtype=np.int64),
            codes=np.empty((count, len(self._dictionaries)), dtype=np.int32),
            numbers=np.empty((count, 1 + len(self._plan.numbers)), dtype=np.int64),
        )
        gather(read.raw, read.scanned, chosen, self._wanted, self._book, *columns)
        slots = self._wanted.dimension[read.scanned.kind[chosen]]
        for dimension, dictionary in enumerate(self._dictionaries):
            where = np.flatnonzero(slots[:, dimension] >= 0)
            if where.size:
                spans = read.scanned.fields[chosen[where], slots[where, dimension]]
                codes = columns.codes[where, dimension]
                columns.codes[where, dimension] = dictionary.encode_coded(codes, _Texts(read.raw, spans))
        return columns

    def _new_book(self) -> Book:
        entries = list(self._texts)
        for dimension, values in enumerate(self._dictionaries):
            entries += [(dimension, name.encode(), code) for name, code in values.named.items()]
        return make_book(entries)


class _Texts:
    """Gives the texts behind spans when it is called, None for those that are absent."""

    def __init__(self, raw: U8, spans: I64) -> None:
        self._raw, self._spans = raw, spans

    def __call__(self) -> list[str | None]:
        raw = memoryview(self._raw)  # type: ignore[arg-type]
        starts, ends = begin(self._spans), begin(self._spans) + size(self._spans)
        rows = zip((self._spans == NONE).tolist(), starts.tolist(), ends.tolist(), strict=True)
        return [None if absent else str(raw[start:end], "utf-8") for absent, start, end in rows]


def _empty(count: int) -> Scanned:
    return Scanned(
        kind=np.empty(count, dtype=np.int64),
        time=np.empty(count, dtype=np.int64),
        promise=np.empty(count, dtype=np.int64),
        digest=np.empty((count, 2), dtype=np.int64),
        subject=np.empty(count, dtype=np.int64),
        source=np.empty(count, dtype=np.int64),
        fields=np.empty((count, MOST_SLOTS), dtype=np.int64),
    )


def _spell(
    events: Sequence[BusinessEvent], places: I64, scanned: Scanned, end: int
) -> tuple[list[bytes], dict[int, str]]:
    """Enter decoded events as if they had been scanned. Returns the texts, which are to begin at ``end``, and what is
    no time, by place."""
    kind = type_codes(events)
    time, promise, bad = read_times(events, kind)
    scanned.kind[places], scanned.time[places], scanned.promise[places] = kind, time, promise
    scanned.digest[places] = digests(events)
    texts: list[bytes] = []

    def put(text: str) -> int:
        nonlocal end
        texts.append(text.encode())
        start, end = end, end + len(texts[-1])
        return int(span(start, len(texts[-1])))

    for event, place, code in zip(events, places.tolist(), kind.tolist(), strict=True):
        scanned.subject[place] = put(event.subject)
        scanned.fields[place] = NONE
        for field in data_fields()[code]:
            value = getattr(event.data, field.name)
            if field.form == ITEMS:
                scanned.fields[place, field.slot] = sum(item.quantity for item in value)
                scanned.fields[place, field.slot + 1] = len(value)
            elif value is not None and field.form in (TEXT, CHOICE):
                scanned.fields[place, field.slot] = put(value)
            elif value is not None and field.form == WHOLE:
                scanned.fields[place, field.slot] = value
    return texts, {int(places[at]): path for at, path in bad.items()}
