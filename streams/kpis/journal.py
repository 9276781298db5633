"""The journal: what a kernel took in between two points, small enough to append every second.

A kernel's state is a function of the batches it folded and the drains between them. The journal holds just these, as
columns: no text is parsed again and no duplicate looked for when a lost kernel is rebuilt from it. A delta names the
source offsets it leads **from** and **to**; it may only be applied to a state that stands at its ``from``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.errors import ContractError
from streams.kpis.pack import pack, unpack

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

Offsets = tuple[int, int, int]
"""The next offsets of orders, deliveries and support."""


class NewEntities(NamedTuple):
    """Names that got a row, side by side. ``kind`` 0 is a case by its subject, 1 a delivery and 2 a ticket of the case
    in row ``case``."""

    row: list[int]
    kind: list[int]
    name: list[str]
    case: list[int]


class Batch(NamedTuple):
    """A chunk's accepted events as columns. Shapes: n events, D dimensions, V numbers.

    ``time`` epoch ms; ``key`` orders events of one time; ``digest`` (n, 2) of source and id; ``moments`` bit sets;
    ``codes`` (n, D); ``numbers`` (n, V), number 0 the promise; ``case`` and ``entity`` rows (-1: none). ``entities``
    are the rows these events were the first to need, ``dictionaries`` the states of those dictionaries, by
    dimension, in which more than weights has changed.
    """

    family: int
    time: I64
    key: I64
    digest: I64
    moments: I64
    codes: I32
    numbers: I64
    case: I64
    entity: I64
    entities: NewEntities
    dictionaries: dict[int, dict[str, Any]]


class Reached(NamedTuple):
    """How far a topic has come after a chunk, whether anything of it was accepted or not."""

    family: int
    next_offset: int
    watermarks: list[Any]


class Drained(NamedTuple):
    """Cells were taken out, deadlines came due, panes were sealed; whether what was taken out the time before is known
    to have been published."""

    published: bool


class Idle(NamedTuple):
    """Other topics than before are left out of the watermark."""

    watermarks: list[Any]


Entry = Batch | Reached | Drained | Idle

_KINDS: tuple[type[Any], ...] = (Batch, Reached, Drained, Idle)


class Delta(NamedTuple):
    """What happened between two points."""

    begin: Offsets
    end: Offsets
    entries: list[Entry]

    def encode(self) -> bytes:
        """Compressed bytes."""
        entries = [[_KINDS.index(type(entry)), *_narrow(entry)] for entry in self.entries]
        return pack([self.begin, self.end, entries])

    @staticmethod
    def decode(raw: bytes) -> Delta:
        """What :meth:`encode` wrote. Raises :class:`ContractError` for anything else."""
        try:
            begin, end, entries = unpack(raw)
            made = [_widen(_KINDS[kind], fields) for kind, *fields in entries]
        except (TypeError, ValueError, IndexError) as error:
            raise ContractError(f"not a delta: {error}") from None
        return Delta(tuple(begin), tuple(end), made)


def _narrow(entry: Entry) -> list[Any]:
    if not isinstance(entry, Batch):
        return list(entry)
    small = entry._replace(
        codes=entry.codes.astype(np.uint16), case=entry.case.astype(np.int32), entity=entry.entity.astype(np.int32)
    )
    return list(small)


def _widen(kind: type[Any], fields: list[Any]) -> Any:
    entry = kind(*fields)
    if not isinstance(entry, Batch):
        return entry
    return entry._replace(
        codes=entry.codes.astype(np.int32),
        case=entry.case.astype(np.int64),
        entity=entry.entity.astype(np.int64),
        entities=NewEntities(*entry.entities),
    )
