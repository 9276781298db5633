"""A shop that is open, with its console, and a browser that looks at it; one of each for all tests here."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from prometheus_client.parser import text_string_to_metric_families

from detectors.incidents.incident import Incident
from streams.config import Config, load_config
from streams.runtime.incidents import read_incidents
from tests.integration.conftest import free_port
from tests.support.browsing import Browser
from tests.support.programs import program

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
DAYBOOK = [sys.executable, "-m", "streams.cli"]
TROUBLE = "payment_failures start=-6h duration=18h"
"""Something that still goes on when the tests look."""
PASSWORD, READER_PASSWORD = "long enough for all", "long enough to look"


def until(condition: Callable[[], T], seconds: float, what: str) -> T:
    """What a condition gives once it is true of something; fails where that does not come."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return found


def answers(address: str) -> bool:
    """Whether a console is there."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/healthz", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


class Program:
    """A command of ours; what it says goes to a file."""

    def __init__(self, log: Path, arguments: list[str], environment: dict[str, str]) -> None:
        self.log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [*DAYBOOK, *arguments], cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Ask it to end, and see to it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Shop:
    """What runs: ``address`` is the console's, ``config`` as other commands beside it read it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ports = {name: free_port() for name in ("broker", "metrics", "console")}
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")} | {
            "DAYBOOK_DATA_DIR": str(folder),
            "DAYBOOK_BOOTSTRAP": f"127.0.0.1:{ports['broker']}",
            "DAYBOOK_EMBEDDED": "true",
            "DAYBOOK_METRICS_PORT": str(ports["metrics"]),
            "DAYBOOK_CONSOLE_PORT": str(ports["console"]),
        }
        self.address = f"http://127.0.0.1:{ports['console']}"
        self._metrics = f"http://127.0.0.1:{ports['metrics']}/metrics"
        self.config: Config = load_config(None, self.environment)
        arguments = ["--plain", "--history", "1w", "--orders-per-day", "800", "--incident", TROUBLE]
        self.begun = time.monotonic()
        self._run = Program(folder / "run.log", ["run", *arguments], self.environment)

    def close(self) -> None:
        self._run.stop()

    def incident(self, name: str) -> Incident | None:
        """An incident as the topic says."""
        return revisions[-1] if (revisions := read_incidents(self.config).get(name)) else None

    def has_trouble(self) -> bool:
        """Whether the worker has an incident, as it says itself: a broker does not like to be asked ten times a
        second."""
        with contextlib.suppress(OSError), urllib.request.urlopen(self._metrics, timeout=2) as answer:
            return any(
                sample.value
                for family in text_string_to_metric_families(answer.read().decode())
                for sample in family.samples
                if sample.name == "daybook_incidents" and sample.labels["kind"] == "business"
            )
        return False

    def live(self) -> list[Incident]:
        """Those that are open, by the topic."""
        return [found[-1] for found in read_incidents(self.config).values() if found[-1].live]

    def console_pid(self) -> int:
        """The process that serves the page, a child of the run."""
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self._run.pid and (folder / "cmdline").read_bytes().endswith(b"\0console\0"):
                    return int(folder.name)
        raise AssertionError(self.log())

    def log(self) -> str:
        return (self.folder / "run.log").read_text()[-6_000:]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Everything as one, with a week behind it and trouble with payments since six hours."""
    program("chromium")
    running = Shop(tmp_path_factory.mktemp("shop"))
    try:
        until(lambda: answers(running.address), 40.0, "the console answers")
        until(running.has_trouble, 90.0, "an incident is open")
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def guarded(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a second console beside the first, at which one has to sign in."""
    port, folder = free_port(), tmp_path_factory.mktemp("guarded")
    environment = shop.environment | {
        "DAYBOOK_DATA_DIR": str(folder),
        "DAYBOOK_CONSOLE_PORT": str(port),
        "DAYBOOK_CONSOLE_PASSWORD": PASSWORD,
        "DAYBOOK_CONSOLE_READER_PASSWORD": READER_PASSWORD,
    }
    console, address = Program(folder / "console.log", ["console"], environment), f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(address), 40.0, "the second console answers")
        yield address
    finally:
        console.stop()


@pytest.fixture(scope="session")
def session_browser() -> Iterator[Browser]:
    with contextlib.closing(Browser(program("chromium"), program("chromedriver"))) as running:
        yield running


@pytest.fixture
def browser(session_browser: Browser) -> Browser:
    """A browser that knows of nothing, as wide as a desk's."""
    session_browser.forget()
    session_browser.look_like(1280, 900)
    return session_browser
