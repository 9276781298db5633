"""The supervisor: order, conditions, restarts, stopping; and that it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from streams.errors import BrokerError
from streams.runtime import logfile
from streams.runtime.guard import guarded
from streams.runtime.ports import is_free, next_free, split_address
from streams.runtime.supervisor import PartError, ProcessPart, Supervisor

SLEEPER = [sys.executable, "-S", "-c", "import time; print('up', flush=True); time.sleep(600)"]


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process runs; one that is only waiting to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@dataclass
class FakePart:
    """A part that does what the test says, and writes down what is done to it."""

    name: str
    diary: list[str]
    restart: bool = False
    essential: bool = False
    ready_within: float = 5.0
    stop_within: float = 5.0
    answers: bool = True
    how: str | None = None
    starts: int = field(default=0)

    def start(self) -> None:
        self.starts += 1
        self.how = None if self.starts > 1 else self.how
        self.diary.append(f"start {self.name}")

    def ready(self) -> bool:
        return self.answers

    def ended(self) -> str | None:
        return self.how

    def stop(self) -> None:
        self.diary.append(f"stop {self.name}")

    def last_words(self) -> str:
        return "out of coffee"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_parts_start_in_order_and_stop_in_reverse() -> None:
    diary: list[str] = []
    supervisor = Supervisor([FakePart("broker", diary), FakePart("worker", diary)], diary.append)
    supervisor.start()
    supervisor.stop()
    assert diary == ["start broker", "start worker", "stop worker", "stop broker"]


def test_a_part_that_ends_while_starting_is_one_line_with_its_last_words() -> None:
    part = FakePart("worker", [], answers=False, how="ended with status 1")
    with pytest.raises(PartError, match=r"^the worker did not start: it ended with status 1: out of coffee$"):
        Supervisor([part], print).start()


def test_a_part_that_never_answers_is_given_up_after_its_bound() -> None:
    part = FakePart("worker", [], answers=False, ready_within=0.1)
    with pytest.raises(PartError, match=r"did not answer within 0\.1 s"):
        Supervisor([part], print).start()


def test_only_what_was_started_is_stopped() -> None:
    diary: list[str] = []
    parts = [FakePart("broker", diary, answers=False, ready_within=0.05), FakePart("worker", diary)]
    supervisor = Supervisor(parts, print)
    with pytest.raises(PartError):
        supervisor.start()
    supervisor.stop()
    assert diary == ["start broker", "stop broker"]


def test_a_request_to_stop_ends_the_waiting_for_a_part() -> None:
    supervisor = Supervisor([FakePart("broker", [], answers=False, ready_within=600)], print)
    supervisor.ask_stop()
    supervisor.start()
    assert supervisor.stopping


def test_restarts_back_off_and_are_said_in_one_line() -> None:
    said: list[str] = []
    clock = Clock()
    part = FakePart("worker", [], restart=True)
    supervisor = Supervisor([part], said.append, first_delay=1, longest_delay=3, clock=clock)
    supervisor.start()
    delays = []
    for _ in range(4):
        part.how = "was ended by SIGKILL"
        supervisor.tend()
        assert supervisor.state(part) == "restarting"
        before, starts = clock.now, part.starts
        while part.starts == starts:
            clock.now += 0.5
            supervisor.tend()
        delays.append(clock.now - before)
        part.how = None
    assert delays == [1, 2, 3, 3]
    assert said[0] == "the worker was ended by SIGKILL; starting it again in 1 s"
    assert len(said) == 4


def test_back_off_begins_anew_after_a_steady_time() -> None:
    said: list[str] = []
    clock = Clock()
    part = FakePart("worker", [], restart=True)
    supervisor = Supervisor([part], said.append, first_delay=1, steady_after=60, clock=clock)
    supervisor.start()
    for _ in range(3):
        clock.now += 61
        part.how = "ended with status 1"
        supervisor.tend()
        clock.now += 1
        supervisor.tend()
        part.how = None
    assert [line.rpartition("in ")[2] for line in said] == ["1 s"] * 3


def test_an_essential_part_that_ends_is_an_error() -> None:
    part = FakePart("broker", [], essential=True)
    supervisor = Supervisor([part], print)
    supervisor.start()
    part.how = "ended with status 3"
    with pytest.raises(PartError, match="the broker ended with status 3: out of coffee"):
        supervisor.tend()


def test_a_part_that_finishes_is_said_once_and_left_alone() -> None:
    said: list[str] = []
    part = FakePart("simulator", [])
    supervisor = Supervisor([part], said.append)
    supervisor.start()
    part.how = "finished"
    supervisor.tend()
    supervisor.tend()
    assert said == ["the simulator finished"]
    assert supervisor.state(part) == "ended"


def test_a_process_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid) + '\\n')\n"
        "time.sleep(600)\n"
    )
    written = tmp_path / "pid"
    part = ProcessPart(
        "worker",
        [sys.executable, "-c", script],
        is_ready=lambda: written.exists() and written.read_text() != "",
    )
    supervisor = Supervisor([part], print)
    supervisor.start()
    pids = [part.pid or 0, int(written.read_text())]
    assert all(alive(pid) for pid in pids)
    supervisor.stop()
    until(lambda: not any(alive(pid) for pid in pids))


def test_a_process_that_ignores_the_request_is_killed_within_its_bound(tmp_path: Path) -> None:
    flag = tmp_path / "deaf"
    script = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(flag)!r}, 'w').close()\ntime.sleep(600)\n"
    )
    part = ProcessPart("deaf", [sys.executable, "-S", "-c", script], is_ready=flag.exists, stop_within=0.2)
    supervisor = Supervisor([part], print)
    supervisor.start()
    pid = part.pid or 0
    begun = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - begun < 5
    until(lambda: not alive(pid))


def test_output_goes_to_the_log_and_to_the_reader(tmp_path: Path) -> None:
    lines: list[str] = []
    log = tmp_path / "logs" / "worker.log"
    part = ProcessPart("worker", SLEEPER, is_ready=lambda: lines == ["up"], log=log, on_line=lines.append)
    supervisor = Supervisor([part], print)
    supervisor.start()
    supervisor.stop()
    assert log.read_text() == "up\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"event": "no partition", "level": "error", "error": "gone", "offset": 3}', "no partition: gone"),
        ("daybook: 127.0.0.1:9092: no Kafka broker answers there", "127.0.0.1:9092: no Kafka broker answers there"),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_last_words_are_told_plainly(line: str, said: str) -> None:
    part = ProcessPart("worker", ["/bin/sh", "-c", f"echo '{line}'; exit 1"], is_ready=lambda: False)
    supervisor = Supervisor([part], print)
    with pytest.raises(PartError) as caught:
        supervisor.start()
    supervisor.stop()
    assert str(caught.value) == f"the worker did not start: it ended with status 1: {said}"


def test_a_program_that_does_not_exist_is_one_line() -> None:
    part = ProcessPart("worker", ["no-such-program"], is_ready=lambda: False)
    supervisor = Supervisor([part], print)
    with pytest.raises(PartError, match=r"status 127: no-such-program: No such file or directory$"):
        supervisor.start()
    supervisor.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can bind a child to its parent's life")
def test_nothing_is_orphaned_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    child = ["/bin/sh", "-c", f"echo $$ > {written}.new; mv {written}.new {written}; exec sleep 600"]
    script = (
        "import time, sys\n"
        "from pathlib import Path\n"
        "from streams.runtime.supervisor import ProcessPart, Supervisor\n"
        f"part = ProcessPart('child', {child!r}, is_ready=Path({str(written)!r}).exists)\n"
        "Supervisor([part], print).start()\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as supervisor:
        until(written.exists)
        pid = int(written.read_text())
        assert alive(pid)
        os.kill(supervisor.pid, signal.SIGKILL)
        supervisor.wait()
    until(lambda: not alive(pid))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can bind a child to its parent's life")
def test_a_child_whose_parent_is_already_gone_does_not_start(tmp_path: Path) -> None:
    flag = tmp_path / "ran"
    done = subprocess.run(guarded(["/bin/sh", "-c", f"touch {flag}"], parent=1), check=False)
    assert done.returncode == 1
    assert not flag.exists()


def test_a_port_in_use_is_seen_and_the_next_free_one_found() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        assert next_free("127.0.0.1", port) > port
    assert is_free("127.0.0.1", port)


def test_ports_promised_to_others_are_left_out() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert next_free("127.0.0.1", port, {port}) > port


@pytest.mark.parametrize("address", ["9092", "host:", ":9092", "host:port", "host:70000"])
def test_a_bad_address_is_named(address: str) -> None:
    with pytest.raises(BrokerError, match="is not an address"):
        split_address(address)


def test_an_address_is_split() -> None:
    assert split_address("[::1]:9092") == ("::1", 9092)


def test_a_log_is_bounded_and_keeps_one_predecessor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfile, "MOST_BYTES", 10)
    path = tmp_path / "worker.log"
    with logfile.LogFile(path, anew=True) as log:
        for number in range(5):
            log.write(f"line {number}\n".encode())
    assert path.read_text() == "line 4\n"
    assert (tmp_path / "worker.log.1").read_text() == "line 3\n"


def test_a_log_is_continued_unless_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    for anew, text in ((True, "a\n"), (False, "a\nb\n"), (True, "c\n")):
        with logfile.LogFile(path, anew=anew) as log:
            log.write(text.encode()[-2:])
        assert path.read_text() == text
