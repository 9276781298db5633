"""The chain rule: which entries of a state log make up the state, whoever wrote them.

States are numbered. A delta counts if it leads from the state that stands when it is met: it names that state's
number, its ``begin`` is that state's ``end``. Of two owners who both continue the same state, the one whose append came
first has continued it, and the other's entry leads from a state that stands no more. So a repeated append, or one by an
owner who does not know yet that it was replaced, is harmless.

A snapshot is written only of a state whose last delta is known to have counted, so one with a higher number than what
stands is on the chain too: what led there is gone, trimmed off the log's head.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from streams.runtime.state.frames import Entry, Offsets


class Chain(NamedTuple):
    """What to load and what to apply after it: the newest snapshot on the chain (None: the empty state) and the deltas
    from there. ``sequence`` is the number of the state they lead to (None: nothing counts, the chain is yet to begin),
    ``end`` its offsets."""

    snapshot: Entry | None
    deltas: Sequence[Entry]
    sequence: int | None
    end: Offsets


def follow(entries: Iterable[Entry], plan: str, beginning: Offsets) -> Chain:
    """Follow the chain through a log, in log order. Entries made under another plan do not count.

    A chain begins with a delta that leaves ``beginning``, whatever its number, or with a snapshot.
    """
    snapshot: Entry | None = None
    deltas: list[Entry] = []
    sequence: int | None = None
    end = beginning
    for entry in entries:
        if entry.plan != plan:
            continue
        if entry.kind == "snapshot":
            if sequence is None or entry.sequence >= sequence:
                snapshot, deltas = entry, []
                sequence, end = entry.sequence, entry.end
        elif entry.begin == end and sequence in (None, entry.after):
            deltas.append(entry)
            sequence, end = entry.sequence, entry.end
    return Chain(snapshot, deltas, sequence, end)
