"""A series book of one KPI that is told of cells by time, without kernels."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import numpy as np

from streams.kpis.book import SeriesBook
from streams.kpis.definitions import DurationKpi, LevelKpi, MeasureKpi, Span, Term
from streams.kpis.partials import Partial
from streams.kpis.values import KpiValue
from tests.support.shop import DAY, HOUR, SECOND, T0, definitions

PANE = 10 * SECOND
NORTH = (("region", "north"),)
SOUTH = (("region", "south"),)
Slice = tuple[tuple[str, str], ...]
Cells = Mapping[tuple[int, Slice, int, int], int]
"""(measure, slice, bucket, time) → value."""


def common(grain: str = "1h", ms: int = HOUR) -> dict[str, Any]:
    """What the KPIs here have in common: one slice, two windows, a grain."""
    return {
        "better": "neither",
        "by": (("region",),),
        "windows": (Span("1h", HOUR), Span("24h", DAY)),
        "grain": Span(grain, ms),
    }


def counting(**more: Any) -> MeasureKpi:
    """A count: orders placed."""
    kpi: dict[str, Any] = {"name": "orders", "kind": "count", "of": Term(moments=("order.placed",)), "unit": "orders"}
    return MeasureKpi(**(kpi | common() | more))


def ratio() -> MeasureKpi:
    """A ratio: failed payments to paid orders."""
    paid, failed = Term(moments=("order.paid",)), Term(moments=("order.payment_failed",))
    return MeasureKpi(name="failing", kind="ratio", of=failed, per=paid, unit="ratio", **common())


def standing() -> LevelKpi:
    """A level: orders open."""
    until = ("delivery.delivered",)
    return LevelKpi(name="open", entity="order", start=("order.placed",), until=until, unit="orders", **common())


def lasting() -> DurationKpi:
    """A duration: from placed to delivered, as p50 and p90."""
    return DurationKpi(
        name="door",
        entity="order",
        start=("order.placed",),
        end=("delivery.delivered",),
        quantiles=(0.5, 0.9),
        unit="seconds",
        **common(),
    )


class Book:
    """A book of one KPI, told of cells by time."""

    def __init__(self, kpi: Any, partitions: int = 1, **settings: Any) -> None:
        self.kpi = kpi
        self.book = SeriesBook(definitions(kpi, **settings), partitions)
        self._numbers = count(1)

    def tell(
        self,
        cells: Cells | None = None,
        until: int | None = None,
        *,
        partition: int = 0,
        idle: bool = False,
        sequence: int | None = None,
        began: int | None = None,
    ) -> list[KpiValue]:
        """Apply one partial, absolute sums by time; what becomes final of it."""
        slices: list[Slice] = []
        rows = []
        for (measure, slice_, bucket, time), value in (cells or {}).items():
            if slice_ not in slices:
                slices.append(slice_)
            rows.append((measure, slices.index(slice_), bucket, time // PANE, value))
        number = next(self._numbers) if sequence is None else sequence
        self.book.apply(
            Partial(
                kpi=self.kpi.name,
                partition=partition,
                as_of=(number, number, number),
                began=began,
                watermark=until,
                idle=idle,
                slices=[list(one) for one in slices],
                cells=np.array(rows, dtype="<i8").reshape(-1, 5).tobytes(),
                sequence=number,
            )
        )
        return self.book.advance()

    def current(self, span: str, slice_: Slice = ()) -> KpiValue | None:
        """The first statistic of a rolling window, or of what a level stands at."""
        found = [value for value in self.book.current() if value.rolling and value.span == span]
        return next((value for value in found if value.slice == dict(slice_)), None)


def brief(values: list[KpiValue]) -> list[tuple[float, tuple[int, ...], str, int]]:
    """(hour since T0, parts, status, revision) of the totals."""
    return [((v.start - T0) / HOUR, v.parts, v.status, v.revision) for v in values if not v.slice]


def placed(time: int, value: int, slice_: Slice = ()) -> dict[tuple[int, Slice, int, int], int]:
    """One cell of the first measure."""
    return {(0, slice_, 0, time): value}
