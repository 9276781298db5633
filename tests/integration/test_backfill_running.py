"""``daybook backfill`` while a Prometheus runs on the folder, again and again, and where it cannot be."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl
import pytest

from streams.config import load_config
from streams.history.backfill.folder import NOTES, Note
from streams.ingest.simulator import Simulation, SimulatorSettings
from streams.ingest.simulator.send import records
from streams.runtime.archivist import folder_of
from tests.support.archived import archived
from tests.support.monitoring import PrometheusProgram
from tests.support.programs import program

START = 1_772_406_000_000
"""Monday 2 March 2026, midnight in Berlin."""
HOUR, DAY = 3_600_000, 86_400_000
RELOADED = 90.0
"""Seconds within which a Prometheus has looked for new blocks: it does once a minute."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a Daybook that has archived two days."""
    program("promtool")
    return two_days(tmp_path_factory.mktemp("shop"), START)


def two_days(folder: Path, start: int) -> Path:
    """Archive two days of a shop there."""
    settings = SimulatorSettings(start=start, end=start + 2 * DAY, seed=2, orders_per_day=100, heartbeat=HOUR)
    found = folder_of(load_config(env={"DAYBOOK_DATA_DIR": str(folder)}))
    archived(found, records(Simulation(settings).arrivals(), 2), 2, most_bytes=200_000)
    return folder


def command(shop: Path, data: Path, *arguments: str, **more: str) -> tuple[list[str], dict[str, str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
    argv = [sys.executable, "-m", "streams.cli", "backfill", "--data-dir", str(data), *arguments]
    return argv, {**kept, "DAYBOOK_DATA_DIR": str(shop), **more}


def backfill(shop: Path, data: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    argv, environment = command(shop, data, *arguments, **more)
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300, check=False)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that says why."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    return line


def blocks(data: Path) -> list[Path]:
    return sorted(path.parent for path in data.glob("*/meta.json"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Of a Prometheus that has not been started yet."""
    found = tmp_path / "data"
    found.mkdir()
    return found


@pytest.fixture
def running(tmp_path: Path, data: Path) -> Iterator[PrometheusProgram]:
    """One that has scraped something, if in vain."""
    started = PrometheusProgram(tmp_path, "127.0.0.1:1", "127.0.0.1:1").start()
    try:
        asyncio.run(started.ready())
        waited(started, "up == 0")
        yield started
    finally:
        started.stop()


def waited(prometheus: PrometheusProgram, expr: str, at: float | None = None, within: float = 30.0) -> None:
    """Returns when a query has data at a time, or now."""
    deadline = time.monotonic() + within
    while not (prometheus.query(expr) if at is None else prometheus.query_range(expr, at, at)):
        assert time.monotonic() < deadline, f"no data within {within:g} s: {expr}"
        time.sleep(0.2)


def test_a_prometheus_that_runs_finds_the_blocks_and_loses_nothing_of_its_own(
    shop: Path, data: Path, running: PrometheusProgram
) -> None:
    begun = time.time()
    done = backfill(shop, data, "--since", "2026-03-02", "--until", "2026-03-02")
    assert done.returncode == 0, done.stderr
    waited(running, 'daybook_orders_placed{job="daybook", window="24h"}', (START + DAY / 2) / 1000, RELOADED)
    running.stop()
    running.start()
    asyncio.run(running.ready())
    waited(running, "up == 0")
    (up,) = running.query_range("up", begun, begun)
    assert up["values"], "what was scraped before is there"
    waited(running, 'daybook_orders_placed{job="daybook", window="24h"}', (START + DAY / 2) / 1000)


def test_what_a_prometheus_has_in_its_log_only_it_keeps(tmp_path: Path, data: Path, running: PrometheusProgram) -> None:
    begun = time.time()
    shop = two_days(tmp_path / "shop", int(begun * 1000) - 2 * DAY)
    done = backfill(shop, data, "--step", "5m")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("nothing from ")]
    note = msgspec.json.decode((data / NOTES).read_bytes(), type=Note)
    assert int(begun * 1000) - 6 * HOUR < note.until < int(begun * 1000) - 3 * HOUR
    assert f"nothing from {datetime.fromtimestamp(note.until / 1000 + 300, UTC):%Y-%m-%d %H:%M} UTC on" in line
    running.stop()
    running.start()
    asyncio.run(running.ready())
    (up,) = running.query_range("up", begun, begun)
    assert up["values"], "what was scraped before is there"
    assert running.query_range('daybook_orders_placed{window="24h"}', note.until / 1000, note.until / 1000)
    assert refused(backfill(shop, data, "--step", "5m")).endswith("filled in already for the job daybook")


def test_what_was_filled_in_is_not_again_and_the_rest_is(shop: Path, data: Path) -> None:
    first = backfill(shop, data, "--until", "2026-03-01", "--step", "5m")
    assert first.returncode == 0, first.stderr
    before = blocks(data)
    again = refused(backfill(shop, data, "--until", "2026-03-01", "--step", "5m"))
    assert again.endswith("all of that time has been filled in already for the job daybook")
    assert blocks(data) == before
    more = backfill(shop, data, "--until", "2026-03-02", "--step", "5m")
    assert "2 times were filled in before, and left as they are" in more.stdout
    assert "2026-03-02 00:00 UTC to 2026-03-02 23:55 UTC filled in" in more.stdout
    other = backfill(shop, data, "--until", "2026-03-01", "--job", "daybook-shop")
    assert other.returncode == 0, other.stderr


def test_a_folder_that_a_replay_wrote_will_do(shop: Path, data: Path, tmp_path: Path) -> None:
    _, environment = command(shop, data)
    argv = [sys.executable, "-m", "streams.cli", "replay", "--out", str(tmp_path / "replayed")]
    subprocess.run(argv, env=environment, capture_output=True, timeout=300, check=True)
    done = backfill(shop, data, "--from", str(tmp_path / "replayed"))
    assert done.returncode == 0, done.stderr
    assert "of windows over 24h nothing is in" in done.stderr
    started = PrometheusProgram(tmp_path, "127.0.0.1:1", "127.0.0.1:1").start()
    try:
        asyncio.run(started.ready())
        (placed,) = finals(tmp_path / "replayed", "orders_placed", START + DAY)
        at = (START + DAY) / 1000
        (one,) = started.query_range('daybook_orders_placed{window="1h", region="", channel="", job="daybook"}', at, at)
        assert float(one["values"][0][1]) == placed
    finally:
        started.stop()


def finals(folder: Path, kpi: str, end: int) -> list[float]:
    """What the total of a KPI was worth over the grain that ended then."""
    of = (pl.col("kpi") == kpi) & (pl.col("slice") == "") & (pl.col("end").cast(pl.Int64) == end)
    rows = pl.read_parquet(folder / "kpis" / "*.parquet").filter(of)
    return rows.sort("revision").tail(1)["value"].to_list()


def test_days_without_an_event_are_refused_and_leave_nothing(shop: Path, data: Path) -> None:
    assert refused(backfill(shop, data, "--since", "2026-05-01")).endswith("nothing that was replayed is of that time")
    assert not list(data.iterdir())


def test_a_folder_that_is_none_of_prometheus_is_refused_before_the_work(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert "is no data folder of Prometheus" in refused(backfill(shop, tmp_path))
    assert "make an empty folder" in refused(backfill(shop, tmp_path / "none"))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_without_promtool_it_says_where_to_get_it(shop: Path, data: Path) -> None:
    assert "promtool: is not installed; it comes with Prometheus" in refused(backfill(shop, data, PATH="/nowhere"))


def test_a_step_that_breaks_lines_is_refused(shop: Path, data: Path) -> None:
    done = backfill(shop, data, "--step", "10m")
    assert (done.returncode, "expected 1s to 5m" in done.stderr) == (2, True)


def test_what_promtool_says_is_told_and_nothing_is_left(shop: Path, data: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "promtool").write_text("#!/bin/sh\necho 'write: no space left on device' >&2\nexit 1\n")
    (programs / "promtool").chmod(0o755)
    said = refused(backfill(shop, data, PATH=f"{programs}:{os.environ['PATH']}"))
    assert said.endswith("promtool cannot make blocks (write: no space left on device)")
    assert not list(data.iterdir())


def test_a_text_that_cannot_be_written_is_told_and_nothing_is_left(shop: Path, data: Path) -> None:
    argv, environment = command(shop, data, "--since", "2026-03-02")
    limited = ["sh", "-c", 'ulimit -f 64; exec "$@"', "sh", *argv]  # no file above 32 or 64 KiB
    done = subprocess.run(limited, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert refused(done).endswith("blocks cannot be made (File too large)")
    assert not list(data.iterdir())


def test_an_interruption_leaves_nothing(shop: Path, data: Path) -> None:
    argv, environment = command(shop, data)
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not list(data.glob(".daybook-backfill.part/blocks/*")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not list(data.iterdir())


def test_what_is_noted_is_what_is_there(shop: Path, data: Path) -> None:
    assert backfill(shop, data, "--until", "2026-03-01").returncode == 0
    assert len((data / NOTES).read_text().splitlines()) == 1
    assert sorted(path.name for path in data.iterdir()) == sorted([NOTES, *(path.name for path in blocks(data))])
