"""All workers' metrics, looked at again and again: who shows what, whether it ever jumps, since when all goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from streams.runtime.status import Labels, MetricsError, Samples
from tests.chaos.crew import Worker

INTERVAL = 0.5
TOTAL = "daybook_orders_placed"
WATCHED = (TOTAL, "daybook_tickets_opened")
"""Counts over a window longer than the run, which never fall by what their own events say."""
_FROM_THE_ORDER = "region"
"""What a ticket is told by its order: until that is read it counts as unknown, and then no longer. It may fall."""
WINDOW = "24h"
_LAG, _WATERMARK = "daybook_consumer_lag", "daybook_watermark_seconds"

Series = tuple[str, Labels]


class Sample(NamedTuple):
    """One look, begun ``at``. ``sent`` is how many orders had been sent by its end, ``shown`` the total of orders
    placed that each worker exports; ``lag`` by topic and partition, and ``watermark`` by partition (epoch ms), are
    what each worker that exports it says."""

    at: float
    sent: float
    shown: Mapping[str, float]
    lag: Mapping[tuple[str, str], Mapping[str, float]]
    watermark: Mapping[str, Mapping[str, float]]

    def reads(self, worker: str) -> bool:
        """Whether a worker reads anything."""
        return any(worker in said for said in self.lag.values())


class Jump(Struct, frozen=True):
    """A count fell, or was more than had been sent. ``kind`` is ``fell`` within what one worker showed without a break,
    ``fell behind`` from what another one had shown before, ``stale`` the same beside another one that shows it too (one
    of them does not know yet that it is not its any more), or ``too many``; ``events`` is by how much."""

    kind: str
    at: float
    worker: str
    series: str
    events: float


class Witness(Struct):
    """Judges looks in their order. Nothing in it asks for the time or does anything."""

    jumps: list[Jump] = field(default_factory=list)
    shared: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By series, first and last time it was seen at two workers at once, of the longest such stretch."""
    _stints: dict[tuple[str, Series], float] = field(default_factory=dict)
    _best: dict[Series, float] = field(default_factory=dict)
    _stretch: dict[Series, float] = field(default_factory=dict)

    def look(self, at: float, told: Mapping[str, Mapping[Series, float]], most: float) -> None:
        """``told``: by worker what each series shows. ``most``: orders that have been sent by then."""
        stints = self._stints
        self._stints = {(worker, name): value for worker, shown in told.items() for name, value in shown.items()}
        for (worker, name), value in self._stints.items():
            before, best = stints.get((worker, name)), self._best.get(name, 0.0)
            if before is not None and value < before:
                self._jump("fell", at, worker, name, before - value)
            elif before is None and value < best:
                alone = sum(name in shown for shown in told.values()) == 1
                self._jump("fell behind" if alone else "stale", at, worker, name, best - value)
            if name == (TOTAL, ()) and value > most:
                self._jump("too many", at, worker, name, value - most)
            self._best[name] = max(best, value)
        self._see_shared(at, [name for _, name in self._stints])

    def _see_shared(self, at: float, names: Iterable[Series]) -> None:
        seen: set[Series] = set()
        twice: set[Series] = set()
        for name in names:
            (twice if name in seen else seen).add(name)
        self._stretch = {name: self._stretch.get(name, at) for name in twice}
        for name, since in self._stretch.items():
            text = name_of(name)
            begin, end = self.shared.get(text, (0.0, -1.0))
            if at - since > end - begin:
                self.shared[text] = since, at

    def _jump(self, kind: str, at: float, worker: str, name: Series, events: float) -> None:
        self.jumps.append(Jump(kind, at, worker, name_of(name), events))


def name_of(series: Series) -> str:
    """As Prometheus writes it."""
    metric, labels = series
    inner = ",".join(f'{label}="{text}"' for label, text in labels)
    return f"{metric}{{{inner}}}" if inner else metric


def watched(samples: Samples) -> dict[Series, float]:
    """The counts that are watched, over the long window; labels without a value left out."""
    found = {}
    for metric in WATCHED:
        for labels, value in samples.get(metric, {}).items():
            told = {name: text for name, text in labels if text}
            may_fall = metric != TOTAL and _FROM_THE_ORDER in told
            if told.pop("window", None) == WINDOW and not may_fall:
                found[metric, tuple(sorted(told.items()))] = value
    return found


def recovery(samples: Iterable[Sample], since: float, orders: int, places: int, reader: str = "") -> float | None:
    """Seconds from ``since`` to the first look at which all goes on: somebody shows at least ``orders`` orders, and
    each of the ``places`` topic partitions is read by somebody, some of them by ``reader`` where one is named.
    ``None`` where that was not seen."""
    for sample in samples:
        shown = max(sample.shown.values(), default=0) >= orders and len(sample.lag) >= places
        if sample.at >= since and shown and (not reader or sample.reads(reader)):
            return sample.at - since
    return None


class Watch(threading.Thread):
    """Looks at the workers that ``workers`` names, every half second, until stopped. ``most`` says how many orders
    were sent, ``clock`` what time it is."""

    def __init__(
        self, workers: Callable[[], Sequence[Worker]], most: Callable[[], float], clock: Callable[[], float]
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self.samples: list[Sample] = []
        self.witness = Witness()
        self.error: BaseException | None = None
        self._workers, self._most, self._clock = workers, most, clock
        self._stop_asked = threading.Event()

    def stop(self) -> None:
        """Look no more."""
        self._stop_asked.set()
        self.join(20.0)

    def run(self) -> None:
        try:
            while not self._stop_asked.is_set():
                began = time.monotonic()
                self._look()
                self._stop_asked.wait(max(0.05, INTERVAL - (time.monotonic() - began)))
        except BaseException as error:  # told by the thread that waits for this one
            self.error = error

    def _look(self) -> None:
        at = self._clock()
        told: dict[str, dict[Series, float]] = {}
        lag: dict[tuple[str, str], dict[str, float]] = {}
        watermark: dict[str, dict[str, float]] = {}
        for worker in self._workers():
            try:
                samples = worker.scrape(*WATCHED, _LAG, _WATERMARK)
            except MetricsError:
                continue
            told[worker.name] = watched(samples)
            for labels, value in samples.get(_LAG, {}).items():
                place = dict(labels)
                lag.setdefault((place["topic"], place["partition"]), {})[worker.name] = value
            for labels, value in samples.get(_WATERMARK, {}).items():
                watermark.setdefault(dict(labels)["partition"], {})[worker.name] = value * 1000
        sent = self._most()
        self.witness.look(at, told, sent)
        shown = {worker: series[TOTAL, ()] for worker, series in told.items() if (TOTAL, ()) in series}
        self.samples.append(Sample(at, sent, shown, lag, watermark))
