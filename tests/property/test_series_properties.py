"""Absolute partials, merged in any interleaving, with repeats: what is told is what the partitions hold in the end."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.kpis.book import SeriesBook
from streams.kpis.definitions import LevelKpi, MeasureKpi, Span, Term
from streams.kpis.partials import Partial
from tests.support.shop import DAY, HOUR, SECOND, T0, definitions

PANE = 10 * SECOND
HOURS = 8
PANES = HOURS * HOUR // PANE
SLICES = ((), (("region", "north"),), (("region", "south"),))
COMMON: dict[str, Any] = {
    "unit": "orders",
    "better": "neither",
    "by": (("region",),),
    "windows": (Span("1h", HOUR), Span("24h", DAY)),
    "grain": Span("1h", HOUR),
}
COUNT = MeasureKpi(name="kpi", kind="count", of=Term(moments=("order.placed",)), **COMMON)
LEVEL = LevelKpi(name="kpi", entity="order", start=("order.placed",), until=("delivery.delivered",), **COMMON)

Cell = tuple[int, int]
"""Place in SLICES, pane since T0."""


class Version(NamedTuple):
    """What a partition tells after some more events: the cells that changed, as they are now, and its watermark."""

    cells: dict[Cell, int]
    watermark: int


@st.composite
def partition(draw: st.DrawFn) -> list[Version]:
    """One partition's partials, in its own order."""
    cell = st.tuples(st.integers(0, len(SLICES) - 1), st.integers(0, PANES - 1))
    versions = []
    watermark = 0
    for changes in draw(st.lists(st.dictionaries(cell, st.integers(-3, 9), max_size=4), min_size=1, max_size=8)):
        watermark = max(watermark, draw(st.integers(0, PANES)))
        versions.append(Version(changes, watermark))
    return versions


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[list[Version]], list[tuple[int, int]]]:
    """The partitions, and an order in which their partials come: each in its own order, but repeated, old ones too."""
    partitions = draw(st.lists(partition(), min_size=1, max_size=3))
    reached = [0] * len(partitions)
    order = []
    while any(at < len(versions) for at, versions in zip(reached, partitions, strict=True)):
        number = draw(st.integers(0, len(partitions) - 1))
        if draw(st.booleans()) and reached[number]:
            order.append((number, draw(st.integers(0, reached[number] - 1))))
        elif reached[number] < len(partitions[number]):
            order.append((number, reached[number]))
            reached[number] += 1
    return partitions, order


def partial(number: int, version: int, told: Version) -> Partial:
    rows = [(0, slice_, 0, T0 // PANE + pane, value) for (slice_, pane), value in told.cells.items()]
    return Partial(
        kpi="kpi",
        partition=number,
        as_of=(version, version, version),
        began=T0,
        watermark=T0 + told.watermark * PANE,
        idle=False,
        slices=[list(one) for one in SLICES],
        cells=np.array(rows, dtype="<i8").reshape(-1, 5).tobytes(),
        sequence=version,
    )


def told_by(
    kpi: Any, partitions: list[list[Version]], order: list[tuple[int, int]]
) -> tuple[dict[Any, Any], SeriesBook]:
    book = SeriesBook(definitions(kpi, allowed_lateness_ms=DAY), len(partitions))
    told: dict[Any, Any] = {}
    end = Version({}, PANES)
    last = [(number, len(versions)) for number, versions in enumerate(partitions)]
    for number, version in [*order, *last]:
        versions = [*partitions[number], end]
        book.apply(partial(number, version, versions[version]))
        for value in book.advance():
            key = (tuple(value.slice.items()), value.start)
            assert value.revision == (told[key].revision + 1 if key in told else 0)
            assert value.status == ("corrected" if value.revision else "final")
            told[key] = value
    return told, book


def held(partitions: list[list[Version]]) -> dict[Cell, int]:
    """What all partitions' cells add up to in the end."""
    total: dict[Cell, int] = defaultdict(int)
    for versions in partitions:
        final: dict[Cell, int] = {}
        for version in versions:
            final |= version.cells
        for cell, value in final.items():
            total[cell] += value
    return total


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(deliveries(), st.sampled_from([COUNT, LEVEL]))
def test_what_is_told_in_the_end_is_what_the_partitions_hold(
    delivered: tuple[list[list[Version]], list[tuple[int, int]]], kpi: Any
) -> None:
    partitions, order = delivered
    told, book = told_by(kpi, partitions, order)
    total = held(partitions)
    for place, slice_ in enumerate(SLICES):
        for hour in range(HOURS):
            since = 0 if kpi is LEVEL else hour * HOUR // PANE
            until = (hour + 1) * HOUR // PANE
            expected = sum(value for (at, pane), value in total.items() if at == place and since <= pane < until)
            value = told.get((slice_, T0 + hour * HOUR))
            assert (value.parts[0] if value else 0) == expected
    assert book.sealed_cells == 0


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(deliveries())
def test_a_rolling_window_holds_the_last_hour_of_all_partitions(
    delivered: tuple[list[list[Version]], list[tuple[int, int]]],
) -> None:
    partitions, order = delivered
    _, book = told_by(COUNT, partitions, order)
    total = held(partitions)
    # The watermark's pane has begun: the window ends with it.
    first, last = PANES - HOUR // PANE + 1, PANES
    windows = {
        tuple(value.slice.items()): value.parts[0] for value in book.current() if value.rolling and value.span == "1h"
    }
    for place, slice_ in enumerate(SLICES):
        expected = sum(value for (at, pane), value in total.items() if at == place and first <= pane <= last)
        assert windows.get(slice_, 0) == expected
