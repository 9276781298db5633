"""What a process has used, from /proc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """Processor seconds since the start, of the whole process and by thread, and memory in MiB."""

    seconds: float
    threads: dict[int, float]
    resident: float
    most_resident: float


def usage(pid: int) -> Usage:
    """Raises ``FileNotFoundError`` where there is no such process."""
    here = Path("/proc") / str(pid)
    threads = {}
    for task in (here / "task").iterdir():
        try:
            threads[int(task.name)] = _seconds(task / "stat")
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
    status = dict(line.split(":", 1) for line in (here / "status").read_text().splitlines() if ":" in line)
    return Usage(_seconds(here / "stat"), threads, _mib(status["VmRSS"]), _mib(status["VmHWM"]))


def shared_out(pid: int) -> float:
    """The memory of one among processes, MiB: of what several have together each counts its part (Pss). 0 where there
    is no such process."""
    try:
        lines = (Path("/proc") / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((_mib(line.split(":", 1)[1]) for line in lines if line.startswith("Pss:")), 0.0)


def _seconds(stat: Path) -> float:
    # After the command in parentheses, which may hold anything: state is the third field, utime the fourteenth.
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _mib(text: str) -> float:
    return int(text.split()[0]) / 1024
