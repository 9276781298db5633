"""The C library's allocator, made to give memory back."""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Of ``mallopt``, from glibc's malloc.h."""
LARGE = 4 << 20
"""Bytes from which on a block is mapped on its own, and so returned to the system as soon as it is free."""
SPARE = 64 << 20
"""Bytes free at an arena's end that are kept."""
ARENAS = 2
"""Heaps that threads share; as many as there are threads that fold."""


def settle_allocator() -> bool:
    """Have large blocks mapped on their own, and few heaps. Whether the allocator takes such wishes: glibc's does.

    A worker makes arrays of many megabytes, some short-lived, in several threads. Left alone, glibc raises the size
    from which on it maps blocks to that of the largest one freed, and gives each thread a heap: up to half of what a
    worker held was free space between what it used.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or none
        return False
    settings = {_MMAP_THRESHOLD: LARGE, _TRIM_THRESHOLD: SPARE, _ARENA_MAX: ARENAS}
    return all(mallopt(name, value) for name, value in settings.items())


def give_back() -> None:
    """Return what is free within the heaps to the system. It takes some milliseconds, in which others go on."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # as above
        ctypes.CDLL(None).malloc_trim(0)
