"""The kernel: one source partition's events in, changed cells out.

It holds the lifecycle of every open case, the cells of the panes that can still change, and what is needed to
recognise duplicates and late events. It knows no clock, no topic and no other partition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from streams.events.codec import Rejection
from streams.events.types import BusinessEvent
from streams.kpis.cells import CHANGED, USED, new_cells, sealed, take_changed
from streams.kpis.columns import HEARTBEAT, read_columns, read_times, type_codes
from streams.kpis.dictionary import Dictionary
from streams.kpis.duplicates import Duplicates, digests
from streams.kpis.entities import Entities
from streams.kpis.fold import come_due, fold_chunk, forget
from streams.kpis.partials import Partial
from streams.kpis.plan import Plan
from streams.kpis.watermark import BEGINNING, FAMILIES, Watermarks

I64 = npt.NDArray[np.int64]


class Outcome(NamedTuple):
    """What became of a chunk. ``rejected`` are places in the chunk with the reason: they belong to the dead letters."""

    accepted: int
    duplicates: int
    late: int
    heartbeats: int
    disordered: int
    rejected: list[tuple[int, Rejection]]


class Kernel:
    """The KPI state of one partition number: orders-p, deliveries-p and support-p together."""

    def __init__(self, plan: Plan, partition: int) -> None:
        self.plan = plan
        self.partition = partition
        self.next_offsets = [0] * len(FAMILIES)
        self.began: int | None = None
        """The earliest event time taken in, in epoch ms."""
        self._dictionaries = [Dictionary(plan.values_per_dimension) for _ in plan.dimensions]
        # By topic: each forgets by its own watermark, however far the others have come.
        self._duplicates = [Duplicates() for _ in FAMILIES]
        self._watermarks = Watermarks(plan.out_of_order_ms)
        self._entities = Entities(plan)
        self._cells = new_cells(1024)
        self._kept_cells = 0
        self._sealed_below = BEGINNING
        self._next_forget = BEGINNING

    @property
    def watermark(self) -> int | None:
        """The partition's watermark in epoch ms, None before it has one."""
        return self._watermarks.partition()

    @property
    def pending(self) -> int:
        """How many cells wait to be drained."""
        return int(self._cells.meta[CHANGED])

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
        self._watermarks.idle = frozenset(families)

    def process(self, family: int, events: Sequence[BusinessEvent | None], offsets: I64, arrivals: I64) -> Outcome:
        """Fold a chunk of one topic's events, in the topic's order.

        ``events`` has None where a record could not be decoded; ``offsets`` and ``arrivals`` (epoch ms, -1 unknown)
        have the same length.
        """
        if len(offsets):
            self.next_offsets[family] = int(offsets[-1]) + 1
        present = cast("list[BusinessEvent]", [event for event in events if event is not None])
        if not present:
            return Outcome(0, 0, 0, 0, 0, [])
        places = np.arange(len(events))
        if len(present) < len(events):
            places = places[[event is not None for event in events]]
        kind = type_codes(present)
        time, promise, bad = read_times(present, kind)
        arrival = arrivals[places]
        sound = (time <= arrival + self.plan.future_limit_ms) | (arrival < 0)
        sound[list(bad)] = True
        rejected = [(int(places[at]), _future(int(time[at] - arrival[at]))) for at in np.flatnonzero(~sound).tolist()]
        if bad:
            rejected = sorted(rejected + [(int(places[at]), _no_time(path)) for at, path in bad.items()])
            sound[list(bad)] = False
        heartbeat = kind == HEARTBEAT

        before = np.zeros_like(time)
        before[sound] = self._watermarks.observe(family, time[sound], heartbeat[sound])
        horizon = np.maximum(before - self.plan.allowed_lateness_ms, self._sealed_below)
        candidate = sound & ~heartbeat
        late = candidate & (time < horizon)
        candidate &= ~late

        chosen = np.flatnonzero(candidate)
        digest = digests(_pick(present, chosen))
        repeated = self._duplicates[family].mark(digest, time[chosen], horizon[chosen])
        chosen, digest = chosen[~repeated], digest[~repeated]
        disordered = 0
        if chosen.size:
            kept = _pick(present, chosen)
            earliest = int(time[chosen].min())
            self.began = earliest if self.began is None else min(self.began, earliest)
            disordered = self._fold(family, kept, kind[chosen], time[chosen], promise[chosen], digest[:, 1])
        return Outcome(
            accepted=int(chosen.size),
            duplicates=int(repeated.sum()),
            late=int(late.sum()),
            heartbeats=int((heartbeat & sound).sum()),
            disordered=disordered,
            rejected=rejected,
        )

    def _fold(
        self, family: int, events: Sequence[BusinessEvent], kind: I64, time: I64, promise: I64, digest: I64
    ) -> int:
        columns = read_columns(self.plan, events, kind, promise, self._dictionaries)
        case, entity = self._entities.locate(family, events)
        # Events of one time are taken in the order of a life (placed before paid), then in any fixed order.
        key = (kind << 57) | (digest.view(np.uint64) >> np.uint64(7)).astype(np.int64)
        order = np.lexsort((key, time, case))
        case = case[order]
        state = self._entities
        records = state.record(
            time[order],
            key[order],
            columns.moments[order],
            entity[order],
            columns.codes[order],
            columns.numbers[order],
        )
        self._cells, disordered = fold_chunk(state.rows, state.log, self.plan.program, self._cells, case, records)
        # Nothing older is accepted of any topic: of a silent one nothing before what has been sealed.
        oldest = max(min(self._watermarks.own) - self.plan.allowed_lateness_ms, self._sealed_below)
        state.settle(self.plan.program, self._cells, case, oldest)
        return int(disordered)

    def drain(self) -> list[Partial]:
        """The cells that changed since the last call, one partial per KPI, and seal the panes no event can change.

        Deadlines count once event time has reached them.
        """
        watermark = self.watermark
        if watermark is not None and watermark >= self._next_forget:
            self._forget(watermark)
        newest = max(self._watermarks.newest, watermark if watermark is not None else BEGINNING)
        frontier = newest // self.plan.pane_ms
        self._cells = come_due(self._entities.rows, self.plan.program, self._cells, frontier)
        rows = take_changed(self._cells, frontier)
        partials = self._partials(rows, watermark)
        self.seal()
        return partials

    def seal(self) -> None:
        """Let go of the cells of panes no acceptable event can change."""
        watermark = self.watermark
        if watermark is None:
            return
        self._sealed_below = watermark - self.plan.allowed_lateness_ms
        if self._cells.meta[USED] > 2 * self._kept_cells + 8192:
            self._cells = sealed(self._cells, self._sealed_below // self.plan.pane_ms)
            self._kept_cells = int(self._cells.meta[USED])

    def _forget(self, watermark: int) -> None:
        state = self._entities
        self._cells, gone, oldest = forget(state.rows, self.plan.program, self._cells, watermark)
        state.release(gone)
        horizon = watermark - self.plan.allowed_lateness_ms
        abandon = min(int(oldest), horizon) + self.plan.keep_open_ms + self.plan.allowed_lateness_ms
        self._next_forget = min(abandon, watermark + max(3_600_000, self.plan.keep_ended_ms // 8)) + 1

    def _partials(self, rows: I64, watermark: int | None) -> list[Partial]:
        series, pane, value = rows.T
        measure = series >> 50
        kpi, place = self.plan.kpi_of_measure[measure], self.plan.place_of_measure[measure]
        order = np.argsort(kpi, kind="stable")
        bounds = np.searchsorted(kpi[order], np.arange(len(self.plan.kpis) + 1))
        as_of = (self.next_offsets[0], self.next_offsets[1], self.next_offsets[2])
        idle = len(self._watermarks.idle) == len(FAMILIES)
        partials = []
        for number, definition in enumerate(self.plan.kpis):
            mine = order[bounds[number] : bounds[number + 1]]
            # Group and both codes without measure and bucket.
            group_codes = ((series[mine] >> 44 & 0x3F) << 32) | (series[mine] & 0xFFFF_FFFF)
            distinct, slice_ = np.unique(group_codes, return_inverse=True)
            cells = np.empty((mine.size, 5), dtype="<i8")
            cells[:, 0] = place[mine]
            cells[:, 1] = slice_
            cells[:, 2] = series[mine] >> 32 & 0xFFF
            cells[:, 3] = pane[mine]
            cells[:, 4] = value[mine]
            partials.append(
                Partial(
                    kpi=definition.name,
                    partition=self.partition,
                    as_of=as_of,
                    began=self.began,
                    watermark=watermark,
                    idle=idle,
                    slices=[self._slice(number, int(packed)) for packed in distinct],
                    cells=cells.tobytes(),
                )
            )
        return partials

    def _slice(self, kpi: int, packed: int) -> list[tuple[str, str]]:
        dimensions = self.plan.groups_of_kpi[kpi][packed >> 32]
        codes = (packed >> 16 & 0xFFFF, packed & 0xFFFF)
        return [
            (self.plan.dimensions[dimension], self._dictionaries[dimension].name(code))
            for dimension, code in zip(dimensions, codes, strict=False)
        ]


def _pick(events: list[BusinessEvent], places: I64) -> list[BusinessEvent]:
    return events if places.size == len(events) else [events[place] for place in places.tolist()]


def _no_time(path: str) -> Rejection:
    return Rejection(reason=f"{path}: not an RFC 3339 date-time with an offset", code="bad_time")


def _future(ahead_ms: int) -> Rejection:
    return Rejection(reason=f"time: {ahead_ms / 1000:.0f} s ahead of its arrival", code="future_time")
