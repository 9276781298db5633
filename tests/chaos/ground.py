"""Where a run takes place: Apache Kafka on a small disk of its own, the configuration, and a folder for the logs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from streams.events.types import TYPE_NAMES
from streams.runtime.kafka import ApacheKafka, fetch_jars
from tests.benchmarks.laboratory import DEFAULTS, Laboratory, Setup, free_port
from tests.chaos.disk import SmallDisk
from tests.chaos.errors import ChaosError
from tests.chaos.plan import Plan

COUNTED = {f"counted_{name.replace('.', '_')}": name for name in TYPE_NAMES}
"""KPIs beside the default ones: each type of event, counted. What is lost or counted twice shows in them."""
_QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_HALTS_WITHIN = 20.0
_BACK_WITHIN = 60.0


class Ground(Laboratory):
    """A laboratory whose broker is done violence to. What the broker and the workers say stays in ``folder``."""

    def __init__(self, plan: Plan, folder: Path, say: Callable[[str], None]) -> None:
        missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
        if missing:
            raise ChaosError(f"{' and '.join(missing)} not installed: Apache Kafka needs a JDK (17 or later) and Maven")
        super().__init__(say)
        self.plan, self.folder = plan, folder
        self.disk = SmallDisk(folder / "kafka" / "data", plan.disk_mb)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        jars = fetch_jars()
        self.disk.__enter__()
        try:
            port = free_port()
            self.kafka = ApacheKafka(
                self.folder / "kafka",
                port,
                jars,
                controller_port=free_port(port),
                heap="768m",
                java_options=_QUICK_START,
            )
            self.kafka.start()
        except BaseException:
            self.disk.__exit__()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resume_broker()
        self.kafka.stop()
        self.disk.__exit__()
        if not self.disk.mounted:
            shutil.rmtree(self.folder / "kafka" / "data", ignore_errors=True)

    def configuration(self, namespace: str) -> Setup:
        """The default configuration with the plan's grain for all KPIs, and every type of event counted."""
        plain: dict[str, Any] = yaml.safe_load(DEFAULTS.read_text())
        kpis = {name: kpi | {"grain": self.plan.grain} for name, kpi in plain["kpis"].items()}
        for name, of in COUNTED.items():
            kpis[name] = {"kind": "count", "of": of, "better": "neither", "grain": self.plan.grain}
        return self.setup(namespace, {"kpis": kpis})

    # -- the broker's faults --------------------------------------------------------------------------------------

    def kill_broker(self) -> None:
        """As a power cut would, except that the system's page cache survives."""
        self.kafka.kill()

    def restart_broker(self) -> None:
        """On the same data; returns when it answers. Raises :class:`BrokerError` where it does not."""
        self.kafka.start(_BACK_WITHIN)

    def freeze_broker(self) -> None:
        """It answers nobody, and refuses nobody either: connections hang, as behind a dead network."""
        self._signal(signal.SIGSTOP)

    def resume_broker(self) -> None:
        """It goes on where it was, and finds that time has passed."""
        self._signal(signal.SIGCONT)

    def fill_disk(self) -> str:
        """Until the broker ends of it; says in words how it took that."""
        began = time.monotonic()
        while self.kafka.part.ended() is None and time.monotonic() - began < _HALTS_WITHIN:
            self.disk.fill(0.5)
        took = time.monotonic() - began
        how = self.kafka.part.ended()
        return f"went on for {took:.0f} s" if how is None else f"halted after {took:.1f} s ({how})"

    def free_disk(self) -> None:
        """Space again, and a broker again."""
        self.disk.free()
        self.kafka.kill()
        self.restart_broker()

    def _signal(self, number: int) -> None:
        if (pid := self.kafka.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)
