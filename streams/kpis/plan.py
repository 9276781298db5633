"""The plan: KPI definitions compiled to what the columns and the fold need. A new KPI is a new definition, no code."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple, get_type_hints

import msgspec
import numpy as np
import numpy.typing as npt

from streams.errors import ConfigError
from streams.events import types
from streams.events.types import TYPE_NAMES
from streams.kpis import program as op
from streams.kpis.definitions import (
    Definitions,
    DurationKpi,
    Entity,
    KpiDefinition,
    LevelKpi,
    MeasureKpi,
    Moment,
    Term,
)
from streams.kpis.program import Program

I64 = npt.NDArray[np.int64]

MOST_MOMENTS = 62
"""An event's moments are a bit set in one signed 64-bit integer."""
MOST_MEASURES = 4096
MOST_GROUPS = 64
"""What a cell's key has room for."""
STATE_VERSION = 2
"""Of the form and meaning of what a kernel keeps; another one makes every kept state unreadable."""

_PROMISE = {None: 0, "kept": op.PROMISE_KEPT, "given": op.PROMISE_GIVEN, "broken": op.PROMISE_BROKEN}
_DATA_FIELDS: dict[str, frozenset[str]] = {
    str(cls.__struct_config__.tag): frozenset(
        field.name for field in msgspec.structs.fields(get_type_hints(cls)["data"])
    )
    for cls in (*types.ORDER_TYPES, *types.DELIVERY_TYPES, *types.SUPPORT_TYPES)
}


class _Instruction(NamedTuple):
    kind: int
    target: int
    own: bool
    a: int = 0
    b: int = -1
    c: int = -1


class Plan:
    """Immutable once made. Attributes are read by the columns, the kernel and the series book."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.kpis: tuple[KpiDefinition, ...] = definitions.kpis
        self.pane_ms = definitions.pane_ms
        self.out_of_order_ms = definitions.out_of_order_ms
        self.allowed_lateness_ms = definitions.allowed_lateness_ms
        self.future_limit_ms = definitions.future_limit_ms
        self.keep_ended_ms = definitions.keep_ended_ms
        self.keep_open_ms = definitions.keep_open_ms
        self.values_per_dimension = definitions.values_per_dimension
        self.currency = definitions.currency

        self.dimensions = tuple(dimension.name for dimension in definitions.dimensions)
        self.dimension_sources = [
            [(TYPE_NAMES.index(event), field) for event, field in dimension.sources]
            for dimension in definitions.dimensions
        ]
        self.numbers: list[str] = []
        self.number_sources: list[tuple[int, int, str]] = []
        self.moments_of_type: I64 = np.zeros(len(TYPE_NAMES) + 1, dtype=np.int64)
        self.filtered_moments: list[tuple[int, int, list[tuple[str, frozenset[str]]]]] = []
        self.groups_of_kpi = [
            [(), *(tuple(self.dimensions.index(name) for name in names) for names in kpi.by)] for kpi in self.kpis
        ]

        self._bits: dict[frozenset[str], int] = {}
        self._code: dict[int, list[_Instruction]] = {}
        self._measures: list[tuple[int, int]] = []
        self._levels: list[tuple[int, int, int]] = []
        for number, kpi in enumerate(self.kpis):
            self._compile(number, kpi)
        if len(self._bits) > MOST_MOMENTS:
            raise ConfigError(
                f"kpis: {len(self._bits)} different sets of moments are used, at most {MOST_MOMENTS} can be"
            )
        if len(self._measures) > MOST_MEASURES:
            raise ConfigError(f"kpis: {len(self._measures)} measures, at most {MOST_MEASURES} fit")

        self.kpi_of_measure: I64 = np.array([kpi for kpi, _ in self._measures], dtype=np.int64)
        self.place_of_measure: I64 = np.array([place for _, place in self._measures], dtype=np.int64)
        self.moment_count = max(1, len(self._bits))
        self.level_count = len(self._levels)
        self.amount_column = 1 + self.numbers.index("amount") if "amount" in self.numbers else 0
        placed = TYPE_NAMES.index("order.placed")
        self.foreign_sources = [code for code, _, path in self.number_sources if path == "amount" and code == placed]
        self.program = self._program()
        self.fingerprint = self._fingerprint()
        """Equal where kernels make the same of the same events: windows, goals and descriptions have no part in it."""

    def _fingerprint(self) -> str:
        compiled = [
            STATE_VERSION,
            [kpi.name for kpi in self.kpis],
            (self.dimensions, self.dimension_sources, self.values_per_dimension),
            (self.numbers, self.number_sources, self.foreign_sources, self.currency),
            self.moments_of_type.tolist(),
            [
                (code, bit, [(field, sorted(values)) for field, values in conditions])
                for code, bit, conditions in self.filtered_moments
            ],
            (self.groups_of_kpi, self.kpi_of_measure.tolist(), self.place_of_measure.tolist()),
            [array.tolist() for array in self.program],
            (self.out_of_order_ms, self.future_limit_ms),
        ]
        return blake2b(msgspec.msgpack.encode(compiled), digest_size=8).hexdigest()

    def _bit(self, names: Iterable[str]) -> int:
        """The moment that any of these moments is, as a bit's number."""
        wanted = frozenset(names)
        if wanted in self._bits:
            return self._bits[wanted]
        number = self._bits[wanted] = len(self._bits)
        if number >= MOST_MOMENTS:
            return number
        for moment in (self.definitions.moments[name] for name in sorted(wanted)):
            code = TYPE_NAMES.index(moment.event)
            if moment.where:
                conditions = [(field, frozenset(values)) for field, values in moment.where.items()]
                self.filtered_moments.append((code, 1 << number, conditions))
            else:
                self.moments_of_type[code] |= 1 << number
        return number

    def _number(self, path: str, moments: Iterable[Moment]) -> int:
        """The column of a number, read from the events these moments are."""
        if path not in self.numbers:
            self.numbers.append(path)
        column = 1 + self.numbers.index(path)
        for moment in moments:
            source = (TYPE_NAMES.index(moment.event), column, path)
            if path.split(".")[0] in _DATA_FIELDS[moment.event] and source not in self.number_sources:
                self.number_sources.append(source)
        return column

    def _measure(self, kpi: int, place: int) -> int:
        self._measures.append((kpi, place))
        return len(self._measures) - 1

    def _instruct(self, bit: int, instruction: _Instruction) -> None:
        self._code.setdefault(bit, []).append(instruction)

    def _compile(self, number: int, kpi: KpiDefinition) -> None:
        if len(kpi.by) >= MOST_GROUPS:
            raise ConfigError(f"kpis.{kpi.name}.by: {len(kpi.by)} slices, at most {MOST_GROUPS - 1} fit")
        if isinstance(kpi, MeasureKpi):
            self._compile_measure(number, kpi)
        elif isinstance(kpi, DurationKpi):
            since, until = self._bit(kpi.start), self._bit(kpi.end)
            self._instruct(until, _Instruction(op.DURATION, self._measure(number, 0), _own(kpi.entity), a=since))
        else:
            self._compile_level(number, kpi)

    def _compile_measure(self, number: int, kpi: MeasureKpi) -> None:
        self._compile_term(self._measure(number, 0), kpi.of)
        if kpi.kind in ("mean", "sum"):
            bit = self._bit(kpi.of.moments)
            column = self._number(kpi.of.field or "", self._moments(kpi.of))
            self._instruct(bit, _Instruction(op.COUNT_NUMBER, self._measure(number, 1), False, a=column))
        elif kpi.per is not None:
            self._compile_term(self._measure(number, 1), kpi.per)

    def _compile_term(self, measure: int, term: Term) -> None:
        bit = self._bit(term.moments)
        if term.field is not None:
            column = self._number(term.field, self._moments(term))
            self._instruct(bit, _Instruction(op.SUM, measure, False, a=column))
        elif term.first:
            since = -1 if term.since is None else self._bit([term.since])
            within = -1 if term.within is None else term.within
            first = _Instruction(op.FIRST, measure, _own(term.entity), _PROMISE[term.promise], since, within)
            self._instruct(bit, first)
        else:
            self._instruct(bit, _Instruction(op.COUNT, measure, False))

    def _compile_level(self, number: int, kpi: LevelKpi) -> None:
        measure = self._measure(number, 0)
        level = len(self._levels)
        start = self._bit(kpi.start)
        overdue = kpi.overdue
        if overdue is None:
            overdue = op.OVERDUE_NEVER
        elif overdue == "promise":
            overdue = op.OVERDUE_PROMISE
        self._levels.append((measure, start, overdue))
        own = _own(kpi.entity)
        self._instruct(start, _Instruction(op.ENTER, level, own))
        self._instruct(self._bit(kpi.until), _Instruction(op.LEAVE, level, own))
        if kpi.again:
            self._instruct(self._bit(kpi.again), _Instruction(op.AGAIN, level, own))

    def _moments(self, term: Term) -> list[Moment]:
        return [self.definitions.moments[name] for name in term.moments]

    def _program(self) -> Program:
        code = [self._code.get(bit, []) for bit in range(self.moment_count)]
        flat = [instruction for instructions in code for instruction in instructions]
        groups = [self.groups_of_kpi[kpi] for kpi, _ in self._measures]
        flat_groups = [group for several in groups for group in several]
        widest = max((len(several) for several in groups), default=1)
        settings = {
            op.PANE: self.pane_ms,
            op.KEEP_ENDED: self.keep_ended_ms,
            op.KEEP_OPEN: self.keep_open_ms,
            op.LATENESS: self.allowed_lateness_ms,
            # Generous: every instruction at once, in every group, entering and leaving.
            op.MOST_CELLS: 2 * widest * (1 + len(flat)),
        }
        return Program(
            op_from=_bounds([len(instructions) for instructions in code]),
            op_kind=_ints(i.kind for i in flat),
            op_target=_ints(i.target for i in flat),
            op_own=_ints(i.own for i in flat),
            op_a=_ints(i.a for i in flat),
            op_b=_ints(i.b for i in flat),
            op_c=_ints(i.c for i in flat),
            group_from=_bounds([len(several) for several in groups]),
            group_first=_ints(group[0] if group else -1 for group in flat_groups),
            group_second=_ints(group[1] if len(group) > 1 else -1 for group in flat_groups),
            level_measure=_ints(measure for measure, _, _ in self._levels),
            level_start=_ints(start for _, start, _ in self._levels),
            level_overdue=_ints(overdue for _, _, overdue in self._levels),
            settings=_ints(settings[place] for place in sorted(settings)),
        )


def _own(entity: Entity | None) -> bool:
    return entity in ("delivery", "ticket")


def _ints(values: Iterable[int]) -> I64:
    return np.array([int(value) for value in values], dtype=np.int64)


def _bounds(lengths: list[int]) -> I64:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
