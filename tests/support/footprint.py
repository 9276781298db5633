"""How much an object holds, roughly: to see that it stays bounded, not to weigh it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

_ENTRY = 100
"""Bytes reckoned for an entry of a container, and for a string."""


def footprint(thing: object) -> int:
    """Bytes of all arrays reachable, and about a hundred for every entry of every container.

    The plan is left out: it is shared, and does not grow.
    """
    return _measure(thing, set())


def _measure(thing: object, seen: set[int]) -> int:
    if id(thing) in seen or type(thing).__name__ in ("Plan", "Definitions"):
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return thing.nbytes
    if isinstance(thing, str | bytes):
        return _ENTRY
    if isinstance(thing, Mapping):
        return sum(_ENTRY + _measure(key, seen) + _measure(value, seen) for key, value in thing.items())
    if isinstance(thing, list | tuple | set | frozenset):
        parts: Iterable[object] = thing
        return sum(_ENTRY + _measure(part, seen) for part in parts)
    if type(thing).__module__.startswith("streams."):
        slots = [name for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]
        held = [getattr(thing, name) for name in slots] + list(getattr(thing, "__dict__", {}).values())
        return sum(_measure(part, seen) for part in held)
    return 0
