"""Partials cut to a size that keeps neither their reader busy nor the broker from taking them."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from streams.kpis.partials import Partial

CELLS = 4_000
_CELL_BYTES = 40


def pieces(partial: Partial) -> Iterator[Partial]:
    """The partial in pieces of at most :data:`CELLS` cells, to be applied in this order.

    Only the last one has the watermark: what it closes must not miss the cells before it.
    """
    size, step = len(partial.cells), CELLS * _CELL_BYTES
    start = 0
    while size - start > step:
        yield replace(partial, cells=partial.cells[start : start + step], watermark=None, idle=False)
        start += step
    yield partial if start == 0 else replace(partial, cells=partial.cells[start:])
