"""What every value must be, from the raw records alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from streams.errors import ContractError
from streams.events.codec import decode
from streams.events.times import parse_time
from streams.events.types import BusinessEvent
from streams.kpis.definitions import Definitions, KpiDefinition, LevelKpi, Span
from tests.chaos.facts import Place, Raw
from tests.chaos.load import MALFORMED
from tests.support.oracle import Key, Oracle

Slice = tuple[tuple[str, str], ...]
Final = tuple[str, str, Slice, str, int]
"""Kpi, statistic, slice, span, start of the grain."""
Rolling = tuple[str, str, Slice, str]
"""Kpi, statistic, slice, span of the window; ``now`` for a level."""
Worth = tuple[float | None, tuple[int, ...]]
"""A value and its parts."""

_OUTSIDE = (-2, -1)


class Taken(NamedTuple):
    """Which records count: ``events`` in the order of their topic partitions, repeats among them; how many were
    ``late``; which records are ``bad``."""

    events: list[BusinessEvent]
    late: int
    bad: set[Place]


class Truth(NamedTuple):
    """Every value there must be, ``final`` and ``rolling`` ones as of ``end``."""

    final: dict[Final, Worth]
    rolling: dict[Rolling, Worth]


def take(records: Iterable[Raw], definitions: Definitions) -> Taken:
    """Leave out what was injected as malformed, heartbeats, and what is late by the rule: older than the allowed
    lateness behind its topic partition's watermark, which is the newest time before it less the disorder allowed, or
    a heartbeat's. Raises :class:`ContractError` for a record that is malformed without having been injected."""
    watermark: dict[tuple[str, int], int] = {}
    events: list[BusinessEvent] = []
    late, bad = 0, set()
    for record in records:
        if record.mark == MALFORMED:
            bad.add(record.place)
            continue
        if record.value is None:
            raise ContractError(f"an empty record at {record.place}, which nobody has injected")
        event = decode(record.value)
        time, of = parse_time(event.time), record.place[:2]
        reached = watermark.get(of, time)
        if event.__struct_config__.tag == "source.heartbeat":
            watermark[of] = max(reached, time)
            continue
        if time < reached - definitions.allowed_lateness_ms:
            late += 1
        else:
            events.append(event)
        watermark[of] = max(watermark.get(of, time - definitions.out_of_order_ms), time - definitions.out_of_order_ms)
    return Taken(events, late, bad)


def truth(events: list[BusinessEvent], definitions: Definitions, end: int) -> Truth:
    """By the oracle. ``end`` (epoch ms) is what all sources have vouched for in the end; on the border of a grain."""
    spans = {kpi.name: kpi.grain.text for kpi in definitions.kpis}
    final = {
        (kpi, stat, slice_, spans[kpi], start): worth
        for (kpi, stat, slice_, start), worth in Oracle(definitions, events).compute(end).items()
    }
    rolling: dict[Rolling, Worth] = {}
    grains = {kpi.name: kpi.grain.ms for kpi in definitions.kpis}
    levels = {kpi.name for kpi in definitions.kpis if isinstance(kpi, LevelKpi)}
    for (kpi, stat, slice_, _, start), worth in final.items():
        if kpi in levels and start + grains[kpi] == end:
            rolling[kpi, stat, slice_, "now"] = worth
    upto = end // definitions.pane_ms * definitions.pane_ms + definitions.pane_ms
    windows = {span for kpi in definitions.kpis if kpi.name not in levels for span in kpi.windows}
    for span in windows:
        having = tuple(kpi for kpi in definitions.kpis if span in kpi.windows and kpi.name not in levels)
        narrowed = msgspec.structs.replace(definitions, kpis=having)
        found = Oracle(narrowed, events).compute(end, _only(span, upto))
        for (kpi, stat, slice_, start), worth in found.items():
            if start != _OUTSIDE[0]:
                rolling[kpi, stat, slice_, span.text] = worth
    return Truth(final, rolling)


class _Window:
    """A grid of one grain, and everything outside it as another."""

    def __init__(self, begin: int, end: int) -> None:
        self._bounds = begin, end

    def around(self, ms: int) -> tuple[int, int]:
        return self._bounds if self._bounds[0] <= ms < self._bounds[1] else _OUTSIDE


def _only(span: Span, upto: int) -> Callable[[KpiDefinition], _Window]:
    return lambda _: _Window(upto - span.ms, upto)


__all__ = ["Final", "Key", "Rolling", "Slice", "Taken", "Truth", "Worth", "take", "truth"]
