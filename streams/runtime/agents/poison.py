"""Records a kernel fails on: found one by one, then left out.

A kernel takes any event that fulfils its contract, so a failure is a fault of ours. It must not stop the
worker, and its state is undefined after it: the kernel is rebuilt from its log, and what it failed on is set
aside.
"""

from __future__ import annotations


class Failure(Exception):
    """The kernel failed on these offsets of a topic, both included; its state is undefined now."""

    def __init__(self, family: int, first: int, last: int, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.family, self.first, self.last = family, first, last


class Poison:
    """What the kernels of a partition have failed on. It outlives them.

    A slice that failed is suspected as a whole and taken record by record the next time; the record that
    fails then is bad for good.
    """

    def __init__(self) -> None:
        self._suspects: list[tuple[int, int, int]] = []
        self._bad: set[tuple[int, int]] = set()

    def note(self, failure: Failure) -> bool:
        """Take in a failure; whether it was of a single record, which is known for bad now."""
        if failure.first == failure.last:
            self._bad.add((failure.family, failure.first))
            return True
        self._suspects.append((failure.family, failure.first, failure.last))
        return False

    def suspected(self, family: int, first: int, last: int) -> bool:
        """Whether any of these offsets is to be taken on its own."""
        return any(f == family and first <= b and a <= last for f, a, b in self._suspects)

    def bad(self, family: int, offset: int) -> bool:
        """Whether the record is left out."""
        return (family, offset) in self._bad
