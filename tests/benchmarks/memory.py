"""A worker's memory while it reads, and whether it stays flat."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from streams.errors import DaybookError
from tests.benchmarks.laboratory import Worker
from tests.benchmarks.processes import usage

EVERY = 2.0
"""Seconds between two samples."""
FLAT, STEADY = 0.03, 0.10
"""Shares of the median that the trend may grow over the second half, and that the most there may be above it."""


class Sample(NamedTuple):
    """Resident memory in MiB when so many events had been read, and how many cases were remembered."""

    events: float
    resident: float
    cases: float


class Flatness(NamedTuple):
    """Of the second half, by events: MiB per million events, MiB from the median up to the most, and the verdict. What
    falls below the median was given back, and is no fault."""

    slope: float
    above: float
    flat: bool


def flatness(samples: Sequence[Sample]) -> Flatness:
    """Raises ``ValueError`` where the second half has fewer than three samples."""
    most = max((one.events for one in samples), default=0.0)
    half = [one for one in samples if one.events >= most / 2]
    if len(half) < 3 or half[0].events == half[-1].events:
        raise ValueError("too few samples for a trend")
    events, resident = np.array([one.events for one in half]) / 1e6, np.array([one.resident for one in half])
    slope = float(np.polyfit(events, resident, 1)[0])
    middle = float(np.median(resident))
    above = float(resident.max()) - middle
    grown = slope * float(np.ptp(events))
    return Flatness(slope, above, grown <= FLAT * middle and above <= STEADY * middle)


class Sampler:
    """Use as a context manager, around what a worker is watched doing."""

    def __init__(self, worker: Worker, every: float = EVERY) -> None:
        self.samples: list[Sample] = []
        self._worker, self._every, self._stop = worker, every, threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                found = self._worker.samples("daybook_events_total", "daybook_open_cases")
                read, cases = (sum(found.get(n, {}).values()) for n in ("daybook_events_total", "daybook_open_cases"))
                self.samples.append(Sample(read, usage(self._worker.pid).resident, cases))
            except (DaybookError, FileNotFoundError):  # a look too many; whoever waits for the worker says how it ended
                continue
