"""A series book that is lost comes back from a snapshot: every value it tells from there on is the same."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.events.types import BusinessEvent
from streams.kpis.book import SeriesBook
from streams.kpis.definitions import Span
from streams.kpis.pack import pack, unpack
from streams.kpis.values import KpiValue
from tests.property.test_core_properties import END, arrivals, plan
from tests.support.pipeline import Pipeline
from tests.support.shop import DAY, HOUR, T0, definitions
from tests.support.telling import Book, brief, counting, placed, standing


def everything(book: SeriesBook) -> list[KpiValue]:
    """What it tells as final, and how it says things stand."""
    return [*book.advance(), *book.current()]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(arrivals(), st.data())
def test_a_revived_book_tells_what_the_lost_one_would_have(
    arrived: tuple[list[BusinessEvent], list[list[BusinessEvent]]], data: st.DataObject
) -> None:
    made, compiled = plan()
    pipe = Pipeline(made, 1, compiled)
    other: SeriesBook | None = None
    for chunk in arrived[1]:
        pipe.feed(chunk)
        for partial in pipe.kernels[0].drain():
            pipe.book.apply(partial)
            if other is not None:
                other.apply(partial)
        if other is None and data.draw(st.booleans()):
            other = SeriesBook(made, 1)
            assert other.load(unpack(pack(pipe.book.state())))
        if other is not None:
            assert everything(other) == everything(pipe.book)
    pipe.heartbeat(END)
    for partial in pipe.kernels[0].drain():
        pipe.book.apply(partial)
        if other is not None:
            other.apply(partial)
    if other is not None:
        assert everything(other) == everything(pipe.book)
        assert other.series == pipe.book.series


def test_a_state_is_not_changed_by_what_happens_after_it() -> None:
    book = Book(standing())
    book.tell(placed(T0, 3), until=T0 + HOUR)
    state = book.book.state()
    before = pack(state)
    book.tell(placed(T0 + HOUR, 2), until=T0 + 3 * HOUR)
    assert pack(state) == before


def test_a_kpi_that_was_given_other_windows_begins_anew_and_the_others_do_not() -> None:
    lasting = counting(name="lasting")
    before = SeriesBook(definitions(counting(), lasting), 1)
    told: Any = Book(counting())
    told.book = before
    told.tell(placed(T0, 3), until=T0 + HOUR)
    state = unpack(pack(before.state()))
    same, changed = (
        SeriesBook(definitions(counting(), lasting), 1),
        SeriesBook(definitions(counting(windows=(Span("7d", 7 * DAY),)), lasting), 1),
    )
    assert same.load(state)
    assert not changed.load(state)
    assert changed.series == same.series - before._kpis["orders"].slices.__len__()
    told.book = changed
    # Told again of everything, it tells of everything.
    assert brief(told.tell(placed(T0, 3), until=T0 + HOUR, sequence=1)) == [(0, (3,), "final", 0)]


def test_a_goal_or_a_description_is_no_reason_to_begin_anew() -> None:
    book = Book(counting())
    book.tell(placed(T0, 3), until=T0 + HOUR)
    other = SeriesBook(definitions(counting(goal_min=5.0, description="Orders")), 1)
    assert other.load(unpack(pack(book.book.state())))
