"""Record values side by side in one array of bytes: how a chunk is read, and what a column of them becomes without a
Python object for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, overload

import numpy as np
import numpy.typing as npt

from streams.kpis.compiled import njit
from streams.kpis.scan.words import PADDING, address, byte, put_word, word

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

_END = b"\0"
"""Between two values: no JSON text contains it, so that reading one cannot go on in the next."""
_VIEW = 16
_SHORT = 12


class Packed(Sequence[bytes | None]):
    """Value ``n`` of ``raw`` goes from ``starts[n]`` to ``ends[n]``; where it is ``absent`` there is none."""

    __slots__ = ("absent", "ends", "raw", "starts")

    def __init__(self, raw: U8, starts: I64, ends: I64, absent: npt.NDArray[np.bool_]) -> None:
        self.raw, self.starts, self.ends, self.absent = raw, starts, ends, absent

    def __len__(self) -> int:
        return int(self.starts.shape[0])

    @overload
    def __getitem__(self, at: int) -> bytes | None: ...
    @overload
    def __getitem__(self, at: slice) -> Packed: ...
    def __getitem__(self, at: int | slice) -> bytes | Packed | None:
        if isinstance(at, slice):
            return Packed(self.raw, self.starts[at], self.ends[at], self.absent[at])
        return None if self.absent[at] else self.raw[self.starts[at] : self.ends[at]].tobytes()

    def only(self, which: npt.NDArray[np.bool_]) -> Packed:
        """Those for which it says so."""
        return Packed(self.raw, self.starts[which], self.ends[which], self.absent[which])


def pack(values: Sequence[bytes | None]) -> Packed:
    """Values put side by side."""
    if isinstance(values, Packed):
        return values
    try:
        present, absent = cast("Sequence[bytes]", values), np.zeros(len(values), dtype=np.bool_)
        raw = _END.join((*present, bytes(PADDING)))
    except TypeError:
        present, absent = [value or b"" for value in values], np.array([value is None for value in values])
        raw = _END.join((*present, bytes(PADDING)))
    lengths = np.fromiter(map(len, present), dtype=np.int64, count=len(present))
    ends = np.cumsum(lengths + 1) - 1
    return Packed(np.frombuffer(raw, dtype=np.uint8), ends - lengths, ends, absent)


def pack_views(views: U8, buffers: Sequence[U8], absent: npt.NDArray[np.bool_]) -> Packed:
    """A column of values as Arrow's ``binary_view`` has it: ``views`` 16 bytes for each (its length, then the value
    itself where it has 12 bytes at most, else four of its bytes, the buffer and the place in it), and the ``buffers``.

    Source: Apache Arrow, columnar format, "Variable-size Binary View Layout".
    """
    lengths = views.reshape(-1, _VIEW)[:, :4].copy().view("<i4")[:, 0].astype(np.int64)
    lengths[absent] = 0
    ends = np.cumsum(lengths + 1) - 1
    starts = ends - lengths
    raw = np.zeros(int(ends[-1]) + 1 + PADDING if len(ends) else PADDING, dtype=np.uint8)
    # Where buffers are in memory; they are kept alive by the caller's names until this returns.
    where = np.array([buffer.ctypes.data for buffer in buffers], dtype=np.int64)
    _copy(views.ctypes.data, where, starts, ends, raw)
    return Packed(raw, starts, ends, absent)


@njit
def _copy(views, buffers, starts, ends, raw):  # type: ignore[no-untyped-def]
    base = address(raw)
    for row in range(starts.shape[0]):
        view = views + _VIEW * row
        length = ends[row] - starts[row]
        at = view + 4
        if length > _SHORT:
            place = word(view + 8)
            at = buffers[np.int64(place & np.uint64(0xFFFFFFFF))] + np.int64(place >> np.uint64(32))
        whole = length & ~np.int64(7)
        for offset in range(0, whole, 8):
            put_word(base + starts[row] + offset, word(at + offset))
        for offset in range(whole, length):
            raw[starts[row] + offset] = byte(at + offset)
