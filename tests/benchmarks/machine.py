"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.figures import quantity

_POM = Path(__file__).resolve().parents[2] / "deploy" / "kafka" / "pom.xml"


def describe_machine() -> str:
    """One line: processor, memory, system, and the versions that matter."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (
        f"{len(os.sched_getaffinity(0))} cores of {_processor()}, {quantity(memory)} GiB of memory, "
        f"{platform.system()}, Python {platform.python_version()}, Apache Kafka {kafka_version()} on the same "
        f"machine, faust-streaming {version('faust-streaming')}"
    )


def kafka_version() -> str:
    """Of the broker in deploy/kafka."""
    found = re.search(r"<kafka\.version>([^<]+)<", _POM.read_text())
    return found.group(1) if found else "of an unknown version"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
