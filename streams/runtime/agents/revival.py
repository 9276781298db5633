"""Kernels and series books as a state log says they were."""

from __future__ import annotations

from typing import NamedTuple

from detectors.watch.book import WatchedBook
from streams.errors import ContractError
from streams.kpis.journal import Delta
from streams.kpis.kernel import Kernel
from streams.kpis.pack import unpack
from streams.kpis.plan import Plan
from streams.runtime.state.chain import Chain


def revive_kernel(plan: Plan, partition: int, chain: Chain, first: int) -> Kernel:
    """The kernel that a chain leads to; ``first`` is the number of the empty state, where a chain is yet to begin, and
    the least that a state is numbered from here on.

    Its next drain tells of everything it keeps: what was drained last may never have been published. Raises
    :class:`ContractError` for entries that cannot be read.
    """
    kernel = Kernel(plan, partition, journalled=True, sequence=first)
    if chain.snapshot is not None:
        kernel.load(unpack(chain.snapshot.payload))
    for entry in chain.deltas:
        kernel.replay(Delta.decode(entry.payload))
        kernel.sequence = entry.sequence
    if chain.end != kernel.offsets:
        raise ContractError(f"the state log leads to {chain.end}, its entries to {kernel.offsets}")
    if chain.sequence is not None:
        # Newer than all that was told, even if the log has lost its end.
        kernel.sequence = max(chain.sequence, first)
        kernel.tell_again()
    return kernel


class Revived(NamedTuple):
    """A book as of ``offset`` of the partials; ``stops`` are the offsets at which its news was taken after that, the
    last of them the place of the state that is ``sequence``."""

    book: WatchedBook
    offset: int
    stops: list[int]
    sequence: int


def revive_book(book: WatchedBook, chain: Chain, first: int) -> Revived:
    """An empty book made that of a chain's snapshot, and where the steps after it led; ``first`` as for a kernel.

    Where the snapshot does not know all of its KPIs, all partials there are are read again: the others know them.
    """
    offset, stops = 0, [entry.end[0] for entry in chain.deltas]
    if chain.snapshot is not None:
        if book.load(unpack(chain.snapshot.payload)):
            offset = chain.snapshot.end[0]
        elif not stops:
            stops = [chain.end[0]]
    return Revived(book, offset, stops, first if chain.sequence is None else chain.sequence)
