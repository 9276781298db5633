"""Partial aggregates: what one source partition knows of one KPI, in absolute numbers.

Absolute, not deltas: a partial that is repeated changes nothing, and one that is older than what was applied is
recognised by its ``sequence``.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from streams.errors import ContractError

I64 = npt.NDArray[np.int64]


class Partial(msgspec.Struct, gc=False, array_like=True):
    """The changed cells of one KPI in one source partition.

    A cell is (measure, slice, bucket, pane) → value: ``measure`` counts the KPI's measures (0 numerator or only
    one, 1 denominator), ``slice`` indexes :attr:`slices`, ``bucket`` is a histogram bucket (0 for plain integers),
    ``pane`` the pane's number since the epoch. ``cells`` holds int64 little-endian rows
    ``(measure, slice, bucket, pane, value)``. ``began`` is the partition's earliest event time, ``as_of`` the
    next offsets of orders, deliveries and support. ``plan`` is the fingerprint of the definitions it was made under,
    ``sequence`` counts what that partition has told, whoever owned it.
    """

    kpi: str
    partition: int
    as_of: tuple[int, int, int]
    began: int | None
    watermark: int | None
    idle: bool
    slices: list[list[tuple[str, str]]]
    cells: bytes
    plan: str = ""
    sequence: int = 0

    @property
    def rows(self) -> I64:
        """The cells as an ``(n, 5)`` int64 array."""
        return np.frombuffer(self.cells, dtype="<i8").reshape(-1, 5)

    def encode(self) -> bytes:
        """MessagePack, as on the partials topic."""
        return _ENCODER.encode(self)

    @staticmethod
    def decode(raw: bytes) -> Partial:
        """Read what :meth:`encode` wrote. Raises :class:`ContractError` for anything else."""
        try:
            partial = _DECODER.decode(raw)
        except msgspec.MsgspecError as error:
            raise ContractError(f"not a partial: {error}") from None
        if len(partial.cells) % 40:
            raise ContractError(f"not a partial: {len(partial.cells)} bytes of cells are no multiple of 40")
        return partial


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Partial)
