"""The kernel: one source partition's events in, changed cells out.

It holds the lifecycle of every open case, the cells of the panes that can still change, and what is needed to
recognise duplicates and late events. It knows no clock, no topic and no other partition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.errors import ContractError
from streams.events.codec import ChunkDecoder, Rejection
from streams.events.types import BusinessEvent
from streams.kpis.cells import CHANGED, FRONTIER, USED, dump, new_cells, restore, sealed, take_changed
from streams.kpis.columns import Columns, read_columns
from streams.kpis.dictionary import Dictionary
from streams.kpis.entities import Entities
from streams.kpis.fold import come_due, fold_chunk, forget
from streams.kpis.intake import Counts, Intake, Read, Taken
from streams.kpis.journal import Batch, Delta, Drained, Entry, Idle, Offsets, Reached
from streams.kpis.partials import Partial
from streams.kpis.plan import Plan
from streams.kpis.scan.contract import ENTITY_SLOT
from streams.kpis.scan.reader import Reader, Scan
from streams.kpis.telling import tell
from streams.kpis.watermark import BEGINNING, FAMILIES

I64 = npt.NDArray[np.int64]


SPARE_CELLS = 8192
"""Cells more than a quarter above what was kept the last time, before those that have been told for good are let go."""
KIND_SHIFT = 57
"""Where an event's kind begins in its sort key; below it are bits of its digest."""


class Chunk(NamedTuple):
    """Record values of ``decoder``'s topic, in its order, with their ``offsets`` and ``arrivals`` (epoch ms, -1
    unknown), one of each for every value."""

    decoder: ChunkDecoder
    values: Sequence[bytes | None]
    offsets: I64
    arrivals: I64


class Outcome(NamedTuple):
    """What became of a chunk. ``rejected`` are places in the chunk with the reason: they belong to the dead letters."""

    accepted: int
    duplicates: int
    late: int
    heartbeats: int
    disordered: int
    rejected: list[tuple[int, Rejection]]


class Kernel:
    """The KPI state of one partition number: orders-p, deliveries-p and support-p together.

    With ``journalled``, what happens is noted for :meth:`journal`; somebody must then take it away.
    """

    def __init__(self, plan: Plan, partition: int, journalled: bool = False, sequence: int = 0) -> None:
        self.plan = plan
        self.partition = partition
        self.sequence = sequence
        """Counts the drains, from wherever the partition's first kernel began."""
        self.next_offsets = [0] * len(FAMILIES)
        self.began: int | None = None
        """The earliest event time taken in, in epoch ms."""
        self._dictionaries = [Dictionary(plan.values_per_dimension) for _ in plan.dimensions]
        self._intake = Intake(plan.out_of_order_ms, plan.allowed_lateness_ms, plan.future_limit_ms)
        self._entities = Entities(plan, noted=journalled)
        self._reader = Reader(plan, self._dictionaries)
        self._names_value = _naming_kinds(plan)
        self._cells = new_cells(1024)
        self._kept_cells = 0
        self._let_go_below = BEGINNING
        self._next_forget = BEGINNING
        self._next_quieten = BEGINNING
        self._journalled = journalled
        self._stirred = False
        self._doubtful = False
        """Whether it is unknown if what was taken out last has been published."""
        self._entries: list[Entry] = []
        self._noted = 0
        self._journalled_to: Offsets = (0, 0, 0)

    @property
    def watermark(self) -> int | None:
        """The partition's watermark in epoch ms, None before it has one."""
        return self._intake.watermarks.partition()

    @property
    def reached(self) -> tuple[int, ...]:
        """How far each topic has come by itself, in epoch ms; long before any event where it has not begun."""
        return tuple(self._intake.watermarks.own)

    @property
    def offsets(self) -> Offsets:
        """The next offsets of orders, deliveries and support."""
        return (self.next_offsets[0], self.next_offsets[1], self.next_offsets[2])

    @property
    def pending(self) -> int:
        """How many cells wait to be drained."""
        return int(self._cells.meta[CHANGED])

    @property
    def stirred(self) -> bool:
        """Whether there is a reason to drain: something has happened since the last time."""
        return self._stirred

    @property
    def noted(self) -> int:
        """How many events wait in the journal."""
        return self._noted

    @property
    def open_cases(self) -> int:
        """How many cases are remembered."""
        return self._entities.cases

    @property
    def folded(self) -> dict[str, int]:
        """By dimension, how many values went into ``other``."""
        return {name: values.folded for name, values in zip(self.plan.dimensions, self._dictionaries, strict=True)}

    def set_idle(self, families: set[int]) -> None:
        """Leave these topics (0 orders, 1 deliveries, 2 support) out of the watermark until they speak again."""
        watermarks = self._intake.watermarks
        if families != watermarks.idle:
            watermarks.partition()  # as far as it had come with those that were left out until now, it stays
            watermarks.idle = frozenset(families)
            self._stirred = True
            if self._journalled:
                self._entries.append(Idle(watermarks.state()))

    def process(self, family: int, events: Sequence[BusinessEvent | None], offsets: I64, arrivals: I64) -> Outcome:
        """Fold a chunk of one topic's events, in the topic's order.

        ``events`` has None where a record could not be decoded; ``offsets`` and ``arrivals`` (epoch ms, -1 unknown)
        have the same length.
        """
        taken, counts = self._intake.take(family, events, arrivals)
        self._reached(family, offsets)
        batch = self._batch_of_events(family, taken) if taken.events else None
        return _outcome(batch, counts, self._take_in([] if batch is None else [batch]))

    def process_raw(
        self, decoder: ChunkDecoder, values: Sequence[bytes | None], offsets: I64, arrivals: I64
    ) -> Outcome:
        """Decode the record values of ``decoder``'s topic and fold them: as :meth:`process` what it decodes, and much
        faster. What the decoder turns away comes first in ``rejected``."""
        return self.process_together([Chunk(decoder, values, offsets, arrivals)])[0]

    def process_together(self, chunks: Sequence[Chunk]) -> list[Outcome]:
        """Decode chunks of several topics and fold them as one, which is faster than one after the other: so the events
        of a case come in their order.

        Disorder is counted with the first of them.
        """
        taken = [self._read(chunk) for chunk in chunks]
        disordered = self._take_in([batch for batch, _ in taken if batch is not None])
        return [
            _outcome(batch, counts, disordered if number == 0 else 0) for number, (batch, counts) in enumerate(taken)
        ]

    def _read(self, chunk: Chunk) -> tuple[Batch | None, Counts]:
        family = FAMILIES.index(chunk.decoder.family)
        read = self._reader.read(chunk.decoder, chunk.values)
        scanned = read.scanned
        places = np.flatnonzero(scanned.kind >= 0)
        bad = {int(np.searchsorted(places, place)): path for place, path in read.bad.items()}
        events = Read(places, scanned.kind[places], scanned.time[places], bad)
        some, digest, counts = self._intake.choose(
            family, events, chunk.arrivals, lambda one: scanned.digest[places[one]]
        )
        self._reached(family, chunk.offsets)
        chosen = places[some]
        batch = self._batch_of_scan(family, read, chosen, digest) if chosen.size else None
        return batch, counts._replace(rejected=[*read.rejected, *counts.rejected])

    def _reached(self, family: int, offsets: I64) -> None:
        if len(offsets):
            self.next_offsets[family] = int(offsets[-1]) + 1
        self._stirred = True
        if self._journalled:
            self._entries.append(Reached(family, self.next_offsets[family], self._intake.watermarks.state()))

    def _take_in(self, batches: Sequence[Batch]) -> int:
        """Fold batches as one; how many events came out of order."""
        if not batches:
            return 0
        if self._journalled:
            self._entries += batches
            self._noted += sum(int(batch.time.size) for batch in batches)
        return self._fold(batches)

    def _batch_of_events(self, family: int, taken: Taken) -> Batch:
        changes = [values.changes for values in self._dictionaries]
        columns = read_columns(self.plan, taken.events, taken.kind, taken.promise, self._dictionaries)
        rows = self._entities.locate(family, taken.events)
        return self._batch(family, taken.kind, taken.time, taken.digest, columns, rows, changes)

    def _batch_of_scan(self, family: int, read: Scan, chosen: I64, digest: I64) -> Batch:
        changes = [values.changes for values in self._dictionaries]
        columns = self._reader.columns(read, chosen)
        scanned = read.scanned
        kind = scanned.kind[chosen]
        id_ = scanned.fields[chosen, ENTITY_SLOT[kind]]
        rows = self._entities.locate_in(family, read.raw, scanned.subject[chosen], id_)
        return self._batch(family, kind, scanned.time[chosen], digest, columns, rows, changes)

    def _batch(
        self,
        family: int,
        kind: I64,
        time: I64,
        digest: I64,
        columns: Columns,
        rows: tuple[I64, I64],
        changes: list[int],
    ) -> Batch:
        # Events of one time are taken in the order of a life (placed before paid), then in any fixed order.
        low = (digest[:, 1].view(np.uint64) >> np.uint64(64 - KIND_SHIFT)).astype(np.int64)
        return Batch(
            family=family,
            time=time,
            key=(kind << KIND_SHIFT) | low,
            digest=digest,
            moments=columns.moments,
            codes=columns.codes,
            numbers=columns.numbers,
            case=rows[0],
            entity=rows[1],
            entities=self._entities.take_new(),
            dictionaries={
                dimension: values.state()
                for dimension, values in enumerate(self._dictionaries)
                if self._journalled and values.changes != changes[dimension]
            },
        )

    def _fold(self, batches: Sequence[Batch]) -> int:
        def of(name: str) -> Any:
            columns = [getattr(batch, name) for batch in batches]
            return columns[0] if len(columns) == 1 else np.concatenate(columns)

        time, key, case = of("time"), of("key"), of("case")
        earliest = int(time.min())
        self.began = earliest if self.began is None else min(self.began, earliest)
        order = _in_order(case, time, key)
        case = case[order]
        state = self._entities
        state.wake(np.unique(case))
        records = state.record(
            time[order],
            key[order],
            of("moments")[order],
            of("entity")[order],
            of("codes")[order],
            of("numbers")[order],
        )
        self._cells, disordered = fold_chunk(state.rows, state.log, self.plan.program, self._cells, case, records)
        state.settle(self.plan.program, self._cells, case, self._intake.oldest)
        return int(disordered)

    def drain(self) -> list[Partial]:
        """The cells that changed since the last call, one partial per KPI, and seal the panes no event can change.

        Deadlines count once event time has reached them. What was taken out the time before must have been published,
        unless the kernel was made what it is by :meth:`load` or :meth:`tell_again` since then.
        """
        published, self._doubtful = not self._doubtful, False
        if self._journalled:
            self._entries.append(Drained(published))
        rows = self._take_out(published)
        idle = len(self._intake.watermarks.idle) == len(FAMILIES)
        who = (self.partition, self.sequence, self.offsets)
        return tell(self.plan, self._dictionaries, rows, *who, self.began, self.watermark, idle)

    def _take_out(self, published: bool) -> I64:
        self.sequence += 1
        self._stirred = False
        watermark = self.watermark
        if published:
            # What was sealed when it was taken out and published has been told for good; all else is kept to be told
            # again.
            self._let_go_below = self._intake.sealed_below
        if published and self._cells.meta[USED] > self._kept_cells + self._kept_cells // 4 + SPARE_CELLS:
            self._cells = sealed(self._cells, self._let_go_below // self.plan.pane_ms)
            self._kept_cells = int(self._cells.meta[USED])
        if watermark is not None and watermark >= self._next_forget:
            self._forget(watermark)
        newest = max(self._intake.watermarks.newest, watermark if watermark is not None else BEGINNING)
        frontier = newest // self.plan.pane_ms
        self._cells = come_due(self._entities.rows, self.plan.program, self._cells, frontier)
        rows: I64 = take_changed(self._cells, frontier)
        if watermark is not None:
            floor = watermark - self.plan.allowed_lateness_ms
            self._intake.sealed_below = max(self._intake.sealed_below, floor)
            if watermark >= self._next_quieten:
                self._entities.quieten(self._intake.oldest)
                self._next_quieten = watermark + self.plan.allowed_lateness_ms
        return rows

    def _forget(self, watermark: int) -> None:
        state = self._entities
        self._cells, gone, oldest = forget(state.rows, self.plan.program, self._cells, watermark)
        state.release(gone)
        horizon = watermark - self.plan.allowed_lateness_ms
        abandon = min(int(oldest), horizon) + self.plan.keep_open_ms + self.plan.allowed_lateness_ms
        self._next_forget = min(abandon, watermark + max(3_600_000, self.plan.keep_ended_ms // 8)) + 1

    # -- the journal --------------------------------------------------------------------------------------------

    def journal(self) -> Delta:
        """What happened since the last call."""
        entries, self._entries, self._noted = self._entries, [], 0
        begin, self._journalled_to = self._journalled_to, self.offsets
        return Delta(begin, self._journalled_to, entries)

    def replay(self, delta: Delta) -> None:
        """Do again what a journal says. Raises :class:`ContractError` where it does not continue this state."""
        if delta.begin != self.offsets:
            raise ContractError(f"a delta from {delta.begin} does not continue a state at {self.offsets}")
        for entry in delta.entries:
            if isinstance(entry, Reached):
                self.next_offsets[entry.family] = entry.next_offset
                self._intake.watermarks.load(entry.watermarks)
            elif isinstance(entry, Batch):
                self._replay_batch(entry)
            elif isinstance(entry, Idle):
                self._intake.watermarks.load(entry.watermarks)
            else:
                self._take_out(entry.published)
        self._journalled_to = self.offsets

    def _replay_batch(self, batch: Batch) -> None:
        self._intake.remember(batch.family, batch.digest, batch.time)
        kind = batch.key >> KIND_SHIFT
        for dimension, values in enumerate(self._dictionaries):
            if dimension in batch.dictionaries:
                values.load(batch.dictionaries[dimension])
            else:
                values.weigh(batch.codes[self._names_value[dimension, kind], dimension])
        self._entities.adopt(batch.entities)
        self._fold([batch])

    def state(self) -> dict[str, Any]:
        """Everything, as plain values and arrays: what :meth:`load` makes the same kernel of."""
        return {
            "sequence": self.sequence,
            "offsets": list(self.next_offsets),
            "began": self.began,
            "dictionaries": [values.state() for values in self._dictionaries],
            "intake": self._intake.state(),
            "entities": self._entities.state(),
            "cells": dump(self._cells),
            "frontier": int(self._cells.meta[FRONTIER]),
            "kept": self._kept_cells,
            "let_go": self._let_go_below,
            "forget": self._next_forget,
            "quieten": self._next_quieten,
        }

    def tell_again(self) -> None:
        """Have the next drain tell of every cell that is kept: what was drained last may never have been published."""
        self._cells = restore(dump(self._cells), np.int64(self._cells.meta[FRONTIER]))
        self._stirred = self._doubtful = True

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of; the next drain tells of every cell that is kept."""
        self.sequence = state["sequence"]
        self.next_offsets = list(state["offsets"])
        self._journalled_to = self.offsets
        self.began = state["began"]
        for values, known in zip(self._dictionaries, state["dictionaries"], strict=True):
            values.load(known)
        self._intake.load(state["intake"])
        self._entities.load(state["entities"])
        self._cells = restore(state["cells"], np.int64(state["frontier"]))
        self._kept_cells = state["kept"]
        self._let_go_below, self._next_forget = state["let_go"], state["forget"]
        self._next_quieten = state["quieten"]
        self._stirred = self._doubtful = True


def _in_order(case: I64, time: I64, key: I64) -> I64:
    """What sorts events by case, time and key."""
    first = int(time.min())
    span = int(time.max()) - first + 1
    if span * (int(case.max()) + 1) >= 1 << 62:
        return np.lexsort((key, time, case))
    # Both in one number, which sorts much faster; few events of a case have the same time.
    both = case * span + (time - first)
    order = np.argsort(both)
    same = np.flatnonzero(both[order[1:]] == both[order[:-1]])
    if same.size:
        alike = np.union1d(same, same + 1)
        some = order[alike]
        order[alike] = some[np.lexsort((key[some], both[some]))]
    return order


def _outcome(batch: Batch | None, counts: Counts, disordered: int) -> Outcome:
    accepted = 0 if batch is None else int(batch.time.size)
    return Outcome(accepted, counts.duplicates, counts.late, counts.heartbeats, disordered, counts.rejected)


def _naming_kinds(plan: Plan) -> npt.NDArray[np.bool_]:
    """Whether events of a kind name a value of a dimension, (dimensions, kinds)."""
    names = np.zeros((len(plan.dimensions), 1 << (63 - KIND_SHIFT)), dtype=np.bool_)
    for dimension, sources in enumerate(plan.dimension_sources):
        names[dimension, [code for code, _ in sources]] = True
    return names
