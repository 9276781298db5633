"""Alertmanager and Prometheus as processes of a test, configured as they come with Daybook."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from streams.runtime.ports import next_free
from tests.support.programs import program
from tests.support.rules import ALERTMANAGER, PROMETHEUS


async def answers(url: str, process: subprocess.Popen[bytes], log: Path, within: float = 20.0) -> None:
    """Returns once a process answers there; it must not end before."""

    def asked() -> bool:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            return False
        return True

    async with asyncio.timeout(within):
        while not await asyncio.to_thread(asked):
            if process.poll() is not None:
                raise AssertionError(await asyncio.to_thread(log.read_text))
            await asyncio.sleep(0.05)


class AlertmanagerProgram:
    """Alertmanager, as it comes with Daybook but for the pace, and for who is told: ``url``."""

    def __init__(self, folder: Path, url: str) -> None:
        self.address = f"127.0.0.1:{next_free('127.0.0.1', 22_000)}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        text = ALERTMANAGER.read_text(encoding="utf-8").replace("http://127.0.0.1:9194", url)
        text = text.replace("group_wait: 10s", "group_wait: 1s").replace("group_interval: 1m", "group_interval: 1s")
        self.configure(text)

    def configure(self, text: str) -> None:
        (self._folder / "alertmanager.yml").write_text(text)

    def start(self) -> AlertmanagerProgram:
        argv = [
            program("prometheus-alertmanager", "alertmanager"),
            f"--config.file={self._folder / 'alertmanager.yml'}",
            f"--storage.path={self._folder}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        return self

    async def ready(self) -> None:
        assert self._process is not None
        await answers(f"http://{self.address}/-/ready", self._process, self._folder / "log")

    def alerts(self) -> set[str]:
        """The incidents that it has an alert of."""
        with urllib.request.urlopen(f"http://{self.address}/api/v2/alerts", timeout=5) as answer:
            return {alert["labels"].get("incident", "") for alert in json.load(answer)}

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


class PrometheusProgram:
    """Prometheus with the rules that come with Daybook, which scrapes one worker every second and tells one
    Alertmanager."""

    def __init__(self, folder: Path, worker: str, alertmanager: str) -> None:
        self.address = f"127.0.0.1:{next_free('127.0.0.1', 23_000)}"
        self._folder = folder
        shutil.copytree(PROMETHEUS, folder, dirs_exist_ok=True)
        for name, before, after in [
            ("workers.yml", "127.0.0.1:9464", worker),
            ("prometheus.yml", "127.0.0.1:9193", alertmanager),
            ("prometheus.yml", "_interval: 15s", "_interval: 1s"),
        ]:
            text = (folder / name).read_text()
            assert before in text
            (folder / name).write_text(text.replace(before, after))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> PrometheusProgram:
        argv = [
            program("prometheus"),
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self.address}",
        ]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        return self

    async def ready(self) -> None:
        assert self._process is not None
        await answers(f"http://{self.address}/-/ready", self._process, self._folder / "log")

    def query(self, expression: str) -> list[Any]:
        """What it says of an expression now."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://{self.address}/api/v1/query?{query}", timeout=5) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
            return found

    def query_range(self, expression: str, start: float, end: float) -> list[Any]:
        """What it says of an expression at each second between two instants (epoch seconds)."""
        query = urllib.parse.urlencode({"query": expression, "start": start, "end": end, "step": 1})
        with urllib.request.urlopen(f"http://{self.address}/api/v1/query_range?{query}", timeout=5) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
            return found

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
