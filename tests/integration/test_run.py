"""``daybook run`` as a person starts it: KPIs within seconds, other commands beside it, nothing left behind.

One run serves all tests here; the last one stops it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from streams.runtime.instance import running
from streams.runtime.ports import is_free
from tests.integration.conftest import free_port

FIRST_KPI_WITHIN = 20.0
"""Seconds on a machine with nothing else to do; where there is more to do than cores, as much more time."""
STOPPED_WITHIN = 30.0
ROOT = Path(__file__).resolve().parents[2]
DAYBOOK = [sys.executable, "-m", "streams.cli"]


@dataclass
class Started:
    """A running ``daybook run`` and what it has said so far."""

    process: subprocess.Popen[str]
    broker_port: int
    metrics_port: int
    data_dir: Path
    begun: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def metrics(self) -> str:
        """The worker's metrics, or nothing while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=2) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return ""

    def until(self, condition: Callable[[], bool], seconds: float) -> float:
        """Wait for a condition; seconds since the start. Fails with the output when it does not come."""
        deadline = time.monotonic() + seconds
        while not condition():
            ended = self.process.poll()
            assert ended is None, f"it ended with status {ended}:\n{self.output}"
            assert time.monotonic() < deadline, f"not within {seconds} s:\n{self.output}"
            time.sleep(0.05)
        return time.monotonic() - self.begun


def descendants(pid: int) -> set[int]:
    """The process ids of all children, their children and so on."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found


def gone(pids: set[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """A run on free ports with its data in a temporary folder; killed if the tests left it running."""
    broker_port, metrics_port = free_port(), free_port()
    folder = tmp_path_factory.mktemp("run")
    environment = without_addresses(folder) | {
        "DAYBOOK_BOOTSTRAP": f"127.0.0.1:{broker_port}",
        "DAYBOOK_EMBEDDED": "true",
        "DAYBOOK_METRICS_PORT": str(metrics_port),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [*DAYBOOK, "run", "--seed", "7"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
        cwd=ROOT,
    )
    with process:
        try:
            yield Started(process, broker_port, metrics_port, folder)
        finally:
            if process.poll() is None:
                process.kill()


def without_addresses(folder: Path) -> dict[str, str]:
    """The environment of another command started in the same place: it has to find the run by itself."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
    return environment | {"DAYBOOK_DATA_DIR": str(folder)}


def daybook(started: Started, *arguments: str) -> str:
    """What another command says, which has to succeed."""
    done = subprocess.run(
        [*DAYBOOK, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=without_addresses(started.data_dir),
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ORDERS = re.compile(r"^daybook_orders_placed\{\S+\} [1-9]", re.MULTILINE)


def test_the_first_kpi_comes_within_seconds(started: Started) -> None:
    took = started.until(lambda: ORDERS.search(started.metrics()) is not None, 60.0)
    started.until(lambda: re.search("^KPIs .*orders_placed 24h [1-9]", started.output, re.MULTILINE) is not None, 60)
    crowding = os.getloadavg()[0] / (os.cpu_count() or 1)
    assert took <= FIRST_KPI_WITHIN * max(1.0, crowding)
    assert "Traceback" not in started.output


def test_status_finds_the_run_and_nothing_is_wrong(started: Started) -> None:
    status: dict[str, Any] = {}

    def read() -> bool:
        status.update(json.loads(daybook(started, "status", "--json")))
        return bool(status["workers"]) and {part["lag"] for part in status["partitions"]} == {0}

    started.until(read, 60.0)
    assert status["bootstrap"] == f"127.0.0.1:{started.broker_port}"
    assert len(status["partitions"]) == 12
    assert status["workers"]["events"] > 1000
    assert status["workers"]["late"] == 0
    assert {name: count for name, count in status["dead_letters"].items() if count} == {}
    assert daybook(started, "dlq", "list") == "no dead letters\n"


def test_top_once_has_every_kpi_as_text_and_as_json(started: Started) -> None:
    started.until(lambda: "daybook_satisfaction{" in started.metrics(), 60.0)
    text = daybook(started, "top", "--once")
    assert "Orders placed" in text
    assert "Satisfaction" in text
    rows = json.loads(daybook(started, "top", "--json", "--kpi", "on_time", "--by", "region"))["rows"]
    assert {row["kpi"] for row in rows} == {"on_time_ratio"}
    assert len({row["slice"].get("region") for row in rows}) > 3


def test_top_is_live_in_a_terminal_and_leaves_it_as_it_was(started: Started) -> None:
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    environment = without_addresses(started.data_dir) | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    shown = b""

    def read() -> bytes:
        nonlocal shown
        with contextlib.suppress(BlockingIOError, OSError):
            shown += os.read(ours, 1 << 16)
        return shown

    with subprocess.Popen(
        [*DAYBOOK, "top"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=ROOT
    ) as process:
        os.close(theirs)
        try:
            started.until(lambda: b"Orders placed" in read(), 30.0)
            process.send_signal(signal.SIGINT)
            started.until(lambda: read() is not None and process.poll() is not None, 30.0)
        finally:
            process.kill()
    read()
    os.close(ours)
    assert process.returncode == 0
    assert shown.index(b"\x1b[?1049h") < shown.index(b"Orders placed") < shown.rindex(b"\x1b[?1049l")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_worker_is_started_again(started: Started) -> None:
    started.until(lambda: started.metrics() != "", 60.0)
    before = worker_of(started)
    os.kill(before, signal.SIGKILL)
    started.until(lambda: worker_of(started) not in (0, before), 30.0)
    started.until(lambda: ORDERS.search(started.metrics()) is not None, 60.0)
    assert "the worker was ended by SIGKILL; starting it again in 0.5 s" in started.output


def worker_of(started: Started) -> int:
    """The worker's process id, 0 while there is none."""
    for pid in descendants(started.process.pid):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0streams.cli\0worker\0"):
                return pid
    return 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_stops_everything_and_leaves_nothing(started: Started) -> None:
    started.until(lambda: started.metrics() != "", 60.0)
    found = running(started.data_dir, "daybook")
    assert found is not None
    assert found.bootstrap == f"127.0.0.1:{started.broker_port}"
    children = descendants(started.process.pid)
    assert len(children) >= 3  # broker, worker, simulator
    started.process.send_signal(signal.SIGINT)
    assert started.process.wait(STOPPED_WITHIN) == 0
    assert "stopped" in started.output
    assert "Traceback" not in started.output
    assert gone(children)
    assert running(started.data_dir, "daybook") is None
    for port in (started.broker_port, started.metrics_port):
        assert is_free("127.0.0.1", port)
