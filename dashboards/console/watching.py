"""What the workers say of themselves, asked every few seconds in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import structlog

from streams.runtime.background import Background
from streams.runtime.status import (
    MOST_WORKERS,
    MetricsError,
    Samples,
    WorkerStatus,
    ask_workers,
    fetch,
    metrics_url,
    read_samples,
)

if TYPE_CHECKING:
    from streams.config import Config

log = structlog.get_logger(__name__)

EVERY = 3.0
"""Seconds between two questions."""


class Endangered(NamedTuple):
    """How many open orders or tickets due within a day will miss their promise: what is expected, and the bounds
    between which 90 % lie. ``overdue`` have missed theirs."""

    kpi: str
    low: float
    expected: float
    high: float
    overdue: int


class Watching(Background):
    """Asks while it is started. What it knows is replaced as a whole, never changed."""

    def __init__(self, config: Config) -> None:
        super().__init__("console-watching")
        self._config = config
        self.workers: WorkerStatus | None = None
        """None where none answers, or none was asked yet."""
        self.endangered: tuple[Endangered, ...] = ()
        self.asked = False

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                self.workers = ask_workers(self._config)
                self.endangered = endangered(self._samples()) if self.workers is not None else ()
            except Exception:  # whatever answers there: the page goes on without
                log.exception("the workers cannot be asked, trying again")
            self.asked = True
            self._ends.wait(EVERY)

    def _samples(self) -> Iterable[Samples]:
        for number in range(MOST_WORKERS):
            try:
                yield read_samples(fetch(metrics_url(self._config, number)))
            except MetricsError:
                return


def endangered(of_workers: Iterable[Samples]) -> tuple[Endangered, ...]:
    """The forecast as one of the workers tells it; nothing where none does."""
    for samples in of_workers:
        told = samples.get("daybook_promises_endangered", {})
        bounds: dict[str, dict[str, float]] = {}
        for labels, value in told.items():
            found = dict(labels)
            bounds.setdefault(found["kpi"], {})[found["bound"]] = value
        late = {dict(labels)["kpi"]: value for labels, value in samples.get("daybook_promises_overdue", {}).items()}
        if bounds:
            return tuple(
                Endangered(kpi, at["low"], at["expected"], at["high"], int(late.get(kpi, 0)))
                for kpi, at in bounds.items()
                if {"low", "expected", "high"} <= at.keys()
            )
    return ()
