"""The workers of a run: processes that are started, killed, frozen, resumed and asked to end."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from streams.runtime.status import MetricsError, Samples, fetch, read_samples
from streams.runtime.supervisor import ProcessPart
from tests.benchmarks.laboratory import HOST, Setup, free_port

_ENDS_WITHIN = 25.0
_AGAIN_AFTER = 1.0
_UNHEARD = "was ended by SIGTERM"


class Ended(NamedTuple):
    """A worker that ended though nobody had asked it to, or otherwise than it was asked to; ``at`` in seconds of the
    run."""

    at: float
    worker: str
    how: str
    asked: bool = False


class Worker:
    """One process. ``name`` is never used again; ``port`` is that of its metrics."""

    def __init__(self, name: str, setup: Setup, port: int, log: Path) -> None:
        self.name, self.port = name, port
        self.frozen = False
        self.part = ProcessPart(
            name,
            [sys.executable, "-m", "streams.cli", "worker"],
            log=log,
            environment={**setup.environment, "DAYBOOK_METRICS_PORT": str(port)},
        )
        self.part.start()

    @property
    def runs(self) -> bool:
        """Whether the process is there, frozen or not."""
        return self.part.pid is not None

    def scrape(self, *names: str, timeout: float = 2.0) -> Samples:
        """These metrics of it, all without names. Raises :class:`MetricsError`."""
        query = "&".join(f"name[]={name}" for name in names)
        return read_samples(fetch(f"http://{HOST}:{self.port}/metrics{'?' if query else ''}{query}", timeout))

    def signal(self, number: int) -> None:
        """To it and what it has started."""
        if (pid := self.part.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)


class Crew:
    """All workers there are, and what has become of those that were. To be used from one thread, which must outlive
    them; :meth:`awake` may be asked by any."""

    def __init__(self, setup: Setup, folder: Path, clock: Callable[[], float]) -> None:
        self.workers: list[Worker] = []
        self.unasked: list[Ended] = []
        self._setup, self._folder, self._clock = setup, folder, clock
        self._made = 0
        self._ports: set[int] = set()
        self._due: list[float] = []

    def start(self) -> Worker:
        """One worker more."""
        self._made += 1
        port = free_port(*self._ports)
        self._ports.add(port)
        name = f"worker-{self._made:02d}"
        worker = Worker(name, self._setup, port, self._folder / f"{name}.log")
        self.workers = [*self.workers, worker]
        return worker

    def awake(self) -> list[Worker]:
        """Those that run and are not frozen."""
        return [worker for worker in self.workers if worker.runs and not worker.frozen]

    def choose(self, pick: int) -> Worker | None:
        """One of those, or none where there is none."""
        awake = self.awake()
        return awake[pick % len(awake)] if awake else None

    def kill(self, worker: Worker) -> None:
        """SIGKILL."""
        worker.signal(signal.SIGKILL)
        self._gone(worker)

    def freeze(self, worker: Worker) -> None:
        """SIGSTOP."""
        worker.frozen = True
        worker.signal(signal.SIGSTOP)

    def resume(self, worker: Worker) -> None:
        """SIGCONT."""
        worker.signal(signal.SIGCONT)
        worker.frozen = False

    def remove(self, worker: Worker) -> None:
        """SIGTERM, and wait for its end; anything but a clean one is noted."""
        worker.signal(signal.SIGTERM)
        deadline = time.monotonic() + _ENDS_WITHIN
        while (how := worker.part.ended()) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        # It may be ended before Python has come so far as to hear.
        unheard = how == _UNHEARD and not worker.part.last_words()
        if how != "finished" and not unheard:
            self._note(worker, f"did not within {_ENDS_WITHIN:.0f} s" if how is None else how, asked=True)
        self._gone(worker)

    def tend(self) -> list[str]:
        """Note which ended by themselves, and start others for them after a while, as a supervisor would; their
        last words."""
        said = []
        for worker in self.workers:
            how = worker.part.ended()
            if how is not None:
                words = f"{how}: {worker.part.last_words()}"
                said.append(f"{worker.name} {words}")
                self._note(worker, words)
                self._gone(worker)
                self._due.append(time.monotonic() + _AGAIN_AFTER)
        ready = [due for due in self._due if due <= time.monotonic()]
        self._due = [due for due in self._due if due > time.monotonic()]
        for _ in ready:
            self.start()
        return said

    @property
    def waiting(self) -> int:
        """How many are about to be started again."""
        return len(self._due)

    def close(self) -> None:
        """Kill whatever is left."""
        for worker in self.workers:
            self.kill(worker)

    def _gone(self, worker: Worker) -> None:
        self.workers = [one for one in self.workers if one is not worker]
        worker.part.stop()

    def _note(self, worker: Worker, how: str, asked: bool = False) -> None:
        self.unasked.append(Ended(self._clock(), worker.name, how, asked))


__all__ = ["Crew", "Ended", "MetricsError", "Worker"]
