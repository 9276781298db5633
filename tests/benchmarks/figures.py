"""The arithmetic of the benchmarks, and tables of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Reading(NamedTuple):
    """A counter as it stood at ``at``, in seconds of any one clock."""

    at: float
    count: float


class Rate(NamedTuple):
    """``events`` in ``seconds``."""

    events: float
    seconds: float

    @property
    def per_second(self) -> float:
        return self.events / self.seconds


def rate_between(readings: Iterable[Reading], total: float) -> Rate:
    """The rate from the first reading that shows anything to the first one that shows ``total``.

    Raises ``ValueError`` where the total was not reached, or at once: then there is no time to divide by.
    """
    first = None
    for reading in readings:
        if first is None and reading.count > 0:
            first = reading
        if reading.count >= total:
            assert first is not None
            if reading.at <= first.at:
                raise ValueError("all events had been counted at the first reading: too few for a rate")
            return Rate(reading.count - first.count, reading.at - first.at)
    raise ValueError(f"the counter never reached {total:,.0f}")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of the values do not exceed: the nearest rank.

    Raises ``ValueError`` where there are no values.
    """
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle value, of an even number the lower one: always one that was measured."""
    return percentile(values, 0.5)


def quantity(value: float) -> str:
    """A number for people: three digits that count, thousands apart."""
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    return f"{rounded:,.{max(0, digits)}f}"


def spread(values: Sequence[float]) -> str:
    """All values, from the smallest to the largest."""
    return " / ".join(quantity(value) for value in sorted(values))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; numbers, and what begins with one, to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    for row in cells:
        if len(row) != len(head):
            raise ValueError(f"{len(row)} cells in a table of {len(head)} columns: {row}")
    columns = list(zip(head, *cells, strict=True))
    right = [all(_is_number(text) for text in column[1:]) and len(column) > 1 for column in columns]
    widths = [max(3, *(len(text) for text in column)) for column in columns]

    def line(row: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if at_right else text.ljust(width)
            for text, width, at_right in zip(row, widths, right, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = [
        ("-" * (width - 1) + ":") if at_right else "-" * width for width, at_right in zip(widths, right, strict=True)
    ]
    return "\n".join([line(head), line(rule), *(line(row) for row in cells)])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return quantity(value)
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def _is_number(text: str) -> bool:
    return text[:1].isdigit() or text in ("", "-")
