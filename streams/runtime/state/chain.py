"""The chain rule: which entries of a state log make up the state, whoever wrote them.

A delta counts if it begins where the state stands when it is met; of two owners who both continue the same state, the
one whose append came first has continued it, and the other's entry leads from a place the state has left. So a
repeated append, or one by an owner who does not know yet that it was replaced, is harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from streams.runtime.state.frames import Entry, Offsets

BEGINNING: Offsets = (0, 0, 0)


class Chain(NamedTuple):
    """What to load and what to apply after it: the newest snapshot on the chain (None: the empty state) and the deltas
    from there. ``end`` is where they lead, ``previous`` the snapshot before."""

    snapshot: Entry | None
    deltas: Sequence[Entry]
    end: Offsets
    previous: Entry | None


def follow(entries: Iterable[Entry], plan: str) -> Chain:
    """Follow the chain through a log, in log order. Entries made under other definitions do not count.

    A log that begins with a delta which leaves :data:`BEGINNING` starts from the empty state; one whose head was
    trimmed starts from its first snapshot.
    """
    snapshot: Entry | None = None
    previous: Entry | None = None
    deltas: list[Entry] = []
    end: Offsets | None = None
    for entry in entries:
        if entry.plan != plan:
            continue
        if entry.kind == "snapshot":
            if end is None or entry.end == end:
                snapshot, previous, deltas, end = entry, snapshot, [], entry.end
        elif entry.begin == (BEGINNING if end is None else end):
            deltas.append(entry)
            end = entry.end
    return Chain(snapshot, deltas, BEGINNING if end is None else end, previous)
