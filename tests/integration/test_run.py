"""``daybook run`` as a person starts it: KPIs within seconds, and nothing left when it is stopped."""

from __future__ import annotations

import os
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

import pytest

from streams.runtime.instance import running
from streams.runtime.ports import is_free
from tests.integration.conftest import free_port

FIRST_KPI_WITHIN = 20.0
"""Seconds, on an idle machine with two cores; design section 12."""
STOPPED_WITHIN = 30.0


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


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    """A run of its own, on free ports, with its data in a temporary folder; killed if the test left it
    running."""
    broker_port, metrics_port = free_port(), free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
    environment |= {
        "DAYBOOK_BOOTSTRAP": f"127.0.0.1:{broker_port}",
        "DAYBOOK_EMBEDDED": "true",
        "DAYBOOK_METRICS_PORT": str(metrics_port),
        "DAYBOOK_DATA_DIR": str(tmp_path / "data"),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "run", "--seed", "7"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process:
        try:
            yield Started(process, broker_port, metrics_port, tmp_path / "data")
        finally:
            if process.poll() is None:
                process.kill()


KPI_METRIC = re.compile(r"^daybook_orders_placed\S* [1-9]", re.MULTILINE)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_kpis_come_within_seconds_and_ctrl_c_leaves_nothing(started: Started) -> None:
    took = started.until(lambda: KPI_METRIC.search(started.metrics()) is not None, 60.0)
    started.until(lambda: "orders_placed" in started.output, 60.0)
    assert took <= FIRST_KPI_WITHIN

    found = running(started.data_dir)
    assert found is not None
    assert found.bootstrap == f"127.0.0.1:{started.broker_port}"

    children = descendants(started.process.pid)
    assert len(children) >= 3  # broker, worker, simulator
    started.process.send_signal(signal.SIGINT)
    assert started.process.wait(STOPPED_WITHIN) == 0
    assert "stopped" in started.output
    assert "Traceback" not in started.output
    assert gone(children)
    assert running(started.data_dir) is None
    for port in (started.broker_port, started.metrics_port):
        assert is_free("127.0.0.1", port)
