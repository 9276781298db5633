"""Where a live worker's time goes: its threads' stacks, looked at two hundred times a second.

``python -m tests.benchmarks.sampler FILE`` runs a worker under the configuration of the environment and writes to
FILE, as JSON, what the samples of each thread were in. A C function is told apart only from the Python function that
called it, which is enough: each stage has functions of its own.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from types import FrameType

import msgspec

INTERVAL = 0.005
WAITING = "waiting, or inside the event loop"
OTHER = "the rest of Python"

# The innermost frame that is known decides. A folder ends with "/"; a function may follow a file.
_STAGES: dict[str, str] = {
    "streams/events/codec.py": "decode",
    "streams/kpis/scan/": "columns",
    "streams/events/times.py": "columns",
    "streams/events/timescan.py": "columns",
    "streams/kpis/columns.py": "columns",
    "streams/kpis/dictionary.py": "columns",
    "streams/kpis/intake.py": "duplicates and watermarks",
    "streams/kpis/duplicates.py": "duplicates and watermarks",
    "streams/kpis/watermark.py": "duplicates and watermarks",
    "streams/kpis/names.py": "columns",
    "streams/kpis/entities.py": "fold",
    "streams/kpis/kernel.py:drain": "drain",
    "streams/kpis/kernel.py:_take_out": "drain",
    "streams/kpis/kernel.py:_forget": "drain",
    "streams/kpis/kernel.py": "fold",
    "streams/kpis/telling.py": "drain",
    "streams/kpis/partials.py:decode": "book",
    "streams/kpis/partials.py": "drain",
    "streams/kpis/journal.py": "state log",
    "streams/kpis/pack.py": "state log",
    "streams/runtime/state/": "state log",
    "streams/kpis/": "book",
    "streams/runtime/agents/pieces.py": "drain",
    "streams/runtime/agents/source.py": "fold",
    "streams/runtime/agents/detect.py": "book",
    "streams/runtime/outbox.py": "publish",
    "aiokafka/producer/": "publish",
    "faust/transport/producer.py": "publish",
    "streams/runtime/chunks.py": "fetch",
    "aiokafka/consumer/": "fetch",
    "aiokafka/record/": "fetch",
    "aiokafka/": "Kafka protocol",
    "prometheus_client/": "metrics",
    "streams/runtime/metrics.py": "metrics",
    "faust/": "Faust and event loop",
    "mode/": "Faust and event loop",
    "streams/": "Faust and event loop",
}
_IDLE = (
    "run_forever",
    "run_until_complete",
    "select",
    "wait",
    "accept",
    "serve_forever",
    "get",
    "poll",
    "run",
    "_worker",
)
"""Innermost functions of threads that have nothing to do; the last one is a thread pool's."""


def stage_of(stack: list[tuple[str, str]]) -> str:
    """The stage of a stack of (file, function), the innermost frame first."""
    for file, function in stack:
        for pattern, stage in _STAGES.items():
            name, _, wanted = pattern.partition(":")
            if wanted and wanted != function:
                continue
            if f"/{name}" in file if name.endswith("/") else file.endswith(f"/{name}"):
                # A thread's or a loop's outermost frames are in these libraries too: then nothing is being done.
                if stage == "Faust and event loop" and stack[0][1] in _IDLE:
                    return WAITING
                return stage
    return WAITING if stack and stack[0][1] in _IDLE else OTHER


class Sampler:
    """Counts stages by thread until stopped."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._interval = interval
        self._known: dict[tuple[tuple[str, str], ...], str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        own = threading.get_ident()
        while not self._stop.wait(self._interval):
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                if ident != own:
                    self.counts[names.get(ident, "?")][self._stage(frame)] += 1

    def _stage(self, frame: FrameType | None) -> str:
        stack = []
        while frame is not None:
            stack.append((frame.f_code.co_filename, frame.f_code.co_name))
            frame = frame.f_back
        key = tuple(stack)
        stage = self._known.get(key)
        if stage is None:
            stage = self._known[key] = stage_of(stack)
        return stage


def main(file: Path) -> None:
    from prometheus_client import CollectorRegistry

    from streams.config import load_config
    from streams.runtime import worker as runtime

    sampler = Sampler()
    config = load_config()
    make = runtime.create_app

    def watched(config_: object, registry: object = None) -> object:
        made = make(config, CollectorRegistry())
        counter = made.metrics.events

        def begin() -> None:
            # Not the start, which compiles and connects: from the first event until told to stop.
            while not any(sample.value for metric in counter.collect() for sample in metric.samples):
                time.sleep(0.02)
            sampler.start()

        threading.Thread(target=begin, daemon=True).start()
        return made

    runtime.create_app = watched  # type: ignore[assignment]
    runtime.run_worker(config)
    sampler.stop()
    file.write_bytes(msgspec.json.encode({name: dict(counts) for name, counts in sampler.counts.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
