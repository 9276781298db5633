"""Kernels and pipelines over the small shop, with plans made once; and what they told, in a form to compare."""

from __future__ import annotations

from functools import cache
from typing import Any

from streams.events.types import BusinessEvent
from streams.kpis.definitions import Definitions
from streams.kpis.kernel import Kernel
from streams.kpis.partials import Partial
from streams.kpis.plan import Plan
from tests.support.pipeline import Pipeline
from tests.support.shop import HOUR, MINUTE, T0, definitions

SHORT_LIVES = {"keep_ended_ms": 30 * MINUTE, "keep_open_ms": 60 * MINUTE}
"""Settings under which a case is soon forgotten."""


@cache
def plan(**settings: Any) -> tuple[Definitions, Plan]:
    """Definitions of the shop under these settings, and their plan."""
    made = definitions(**settings)
    return made, Plan(made)


def pipeline(partitions: int = 1, **settings: Any) -> Pipeline:
    """A pipeline of the shop."""
    made, compiled = plan(**settings)
    return Pipeline(made, partitions, compiled)


def kernel(**settings: Any) -> Kernel:
    """A kernel of the shop."""
    return Kernel(plan(**settings)[1], 0)


def ran(events: list[BusinessEvent], until: int = T0 + 12 * HOUR, **settings: Any) -> Pipeline:
    """One event after the other, then all is told."""
    pipe = pipeline(**settings)
    for one in events:
        pipe.feed([one])
        pipe.drain()
    pipe.heartbeat(until)
    pipe.drain()
    return pipe


def cells(partials: list[Partial]) -> dict[tuple[str, int, tuple[tuple[str, str], ...], int, int], int]:
    """(kpi, measure, slice, bucket, pane) → value."""
    return {
        (partial.kpi, measure, tuple(partial.slices[slice_]), bucket, pane): value
        for partial in partials
        for measure, slice_, bucket, pane, value in partial.rows.tolist()
    }


def total(pipe: Pipeline, kpi: str, hour: int = 0) -> tuple[int, ...] | None:
    """What an hour's value is made of; for a duration, how many were observed."""
    value = pipe.final(kpi, T0 + hour * HOUR) or pipe.final(kpi, T0 + hour * HOUR, "p50")
    return None if value is None else value.parts
