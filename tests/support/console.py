"""A shop in trouble on real topics, a worker that has taken it in, and consoles over it, as processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.config import Config, load_config
from streams.ingest.simulator import Incident as Trouble
from streams.ingest.simulator import Simulation, SimulatorSettings
from streams.ingest.simulator.localtime import DAY, HOUR, LocalDays
from streams.ingest.simulator.send import Record, kafka_sink, records

MONDAY = 1_772_406_000_000
"""2 March 2026, midnight in Berlin."""
WEEKS = 1
"""So long all is as usual."""
DAYBOOK = [sys.executable, "-m", "streams.cli"]
_DAYS = LocalDays("Europe/Berlin", MONDAY - 20 * DAY)


def at(day: int, hours: float = 0.0) -> int:
    """An instant by the wall clock in Berlin, of a day counted from MONDAY."""
    return _DAYS.at(_DAYS.day_of(MONDAY) + day, hours * 60)


SINCE = at(7 * WEEKS + 1, 14)
NOW = at(7 * WEEKS + 1, 18.2)
"""So far the shop has come: most payments have failed for four hours."""


def settings() -> SimulatorSettings:
    """A shop where payments fail."""
    trouble = Trouble(
        kind="payment_failures", start=SINCE, duration=DAY, strength=0.7, name="the payment provider is down"
    )
    return SimulatorSettings(
        start=at(-5),
        end=NOW + 6 * HOUR,
        reference=at(0),
        seed=1,
        orders_per_day=600,
        heartbeat=HOUR // 4,
        incidents=[trouble],
    )


class Shopping:
    """The shop's events on their way to Kafka, up to an instant at a time."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._records = records(Simulation(settings()).arrivals(), config.kafka.partitions)
        self._next: Record | None = next(self._records)

    def until(self, instant: int) -> None:
        """Send all that arrives before."""
        batch: list[Record] = []
        with kafka_sink(self._config) as send:
            while self._next is not None and self._next.arrival < instant:
                batch.append(self._next)
                self._next = next(self._records, None)
                if len(batch) == 5_000:
                    send(batch)
                    batch = []
            send(batch)


class Child:
    """A daybook command as a process; its output goes to ``log``."""

    def __init__(self, log: Path, environment: dict[str, str], *arguments: str) -> None:
        self._log = log
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*DAYBOOK, *arguments], env=clean | environment, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def said(self) -> str:
        """The end of its output."""
        return self._log.read_text()[-4_000:]

    def until(self, holds: Callable[[], Any], within: float) -> Any:
        """What is said once it is true; it must not end before."""
        end = time.monotonic() + within
        while not (found := holds()):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, f"not within {within:g} s: {self.said}"
            time.sleep(0.1)
        return found

    def stop(self, within: float = 15.0) -> int:
        """Ask it to end; its exit status."""
        self.process.terminate()
        return self.process.wait(within)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


def answers(url: str) -> bool:
    """Whether anything answers there."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return True
    except (OSError, urllib.error.URLError):
        return False


def environment_of(bootstrap: str, namespace: str, folder: Path, metrics: int) -> dict[str, str]:
    """What tells a command where all is."""
    return {
        "DAYBOOK_BOOTSTRAP": bootstrap,
        "DAYBOOK_NAMESPACE": namespace,
        "DAYBOOK_DATA_DIR": str(folder),
        "DAYBOOK_METRICS_PORT": str(metrics),
        "PYTHONUNBUFFERED": "1",
    }


def config_of(environment: dict[str, str]) -> Config:
    """The default configuration there."""
    return load_config(None, environment)
