"""What the workers say of themselves, read and taken together; and the instance that runs in a data
folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from streams.config import Config, load_config
from streams.kpis.values import KpiValue
from streams.runtime.instance import Instance, InstanceError, announce, claimed, running
from streams.runtime.metrics import Metrics, serve
from streams.runtime.ports import next_free
from streams.runtime.status import MetricsError, ask_worker, ask_workers, is_worker, metrics_url, read_samples
from streams.top.board import Board
from streams.top.probe import Probe

HOST = "127.0.0.1"


def config_on(port: int) -> Config:
    return load_config(env={"DAYBOOK_METRICS_PORT": str(port)})


def worker_metrics(config: Config, partitions: range) -> Metrics:
    """Metrics as a worker that owns these partitions has them."""
    metrics = Metrics(CollectorRegistry(), config.kpis)
    metrics.late.inc(2)
    metrics.duplicates.inc(3)
    metrics.dead_letters.labels("daybook.orders.v1", "malformed_json").inc()
    metrics.dead_letters.labels("daybook.orders.v1", "unknown_type").inc(4)
    for number in partitions:
        metrics.events.labels("daybook.orders.v1").inc(10)
        metrics.watermark.labels(str(number)).set(1_780_000_000.5 + number)
        metrics.lag.labels("daybook.orders.v1", str(number)).set(number)
    return metrics


@pytest.fixture
def two_workers() -> Iterator[Config]:
    """Two workers' metrics on two ports that follow each other."""
    port = next_free(HOST, 24_000)
    config = config_on(port)
    servers = [serve(worker_metrics(config, partitions).registry, HOST, port) for partitions in (range(2), range(2, 4))]
    assert [server.port for server in servers] == [port, port + 1]
    yield config
    for server in servers:
        server.close()


def test_a_workers_metrics_are_understood(two_workers: Config) -> None:
    status = ask_worker(metrics_url(two_workers))
    assert (status.events, status.late, status.duplicates) == (20, 2, 3)
    assert status.dead_letters == {"daybook.orders.v1": 5}
    assert status.watermarks == {0: 1_780_000_000_500, 1: 1_780_000_001_500}
    assert status.lag == {"daybook.orders.v1": {0: 0, 1: 1}}


def test_several_workers_are_taken_together(two_workers: Config) -> None:
    status = ask_workers(two_workers)
    assert status is not None
    assert len(status.urls) == 2
    assert (status.events, status.late, status.duplicates) == (40, 4, 6)
    assert status.dead_letters == {"daybook.orders.v1": 10}
    assert sorted(status.watermarks) == [0, 1, 2, 3]
    assert status.watermark == 1_780_000_000_500
    assert status.lag == {"daybook.orders.v1": {0: 0, 1: 1, 2: 2, 3: 3}}


def test_a_worker_of_another_namespace_is_left_out(two_workers: Config) -> None:
    assert ask_workers(two_workers.with_(namespace="past")) is None


def test_without_a_worker_there_is_no_status() -> None:
    config = config_on(next_free(HOST, 24_500))
    assert ask_workers(config) is None
    assert not is_worker(metrics_url(config))
    with pytest.raises(MetricsError, match=r"/metrics: .*refused"):
        ask_worker(metrics_url(config))


def test_something_else_on_the_port_is_not_taken_for_a_worker() -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"up 1\n")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer((HOST, 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = config_on(server.server_port)
        assert not is_worker(metrics_url(config))
        assert ask_workers(config) is None
        server.shutdown()


def test_text_that_is_not_prometheus_is_one_line() -> None:
    with pytest.raises(MetricsError, match="not Prometheus metrics"):
        read_samples("<html>hello {</html>\n")


def test_the_probe_knows_how_far_behind_the_worker_is_and_what_went_wrong(two_workers: Config) -> None:
    with Probe(two_workers, Board()) as probe:
        while not probe.notes():
            pass
        assert probe.notes() == ["4 late", "6 repeated", "10 dead letters"]
        behind = probe.behind()
        assert behind is not None
        assert behind >= 0
        assert probe.warnings() == []


def test_the_probe_says_when_much_is_still_to_be_read() -> None:
    port = next_free(HOST, 24_600)
    metrics = worker_metrics(config_on(port), range(2))
    metrics.lag.labels("daybook.deliveries.v1", "0").set(12_344)
    server = serve(metrics.registry, HOST, port)
    try:
        with Probe(config_on(port), Board()) as probe:
            while not probe.notes():
                pass
            assert probe.warnings() == ["catching up: 12,345 events still to be read"]
    finally:
        server.close()


def test_without_a_worker_the_probe_goes_by_the_newest_value() -> None:
    board = Board()
    probe = Probe(config_on(next_free(HOST, 24_700)), board)
    assert probe.behind() is None
    board.apply(KpiValue("k", "value", {}, "1h", True, 0, 3_600_000, 1.0, 1, (1,), "final", 0, "orders", "higher"))
    behind = probe.behind()
    assert behind is not None
    assert behind > 0


INSTANCE = Instance(pid=1, namespace="daybook", bootstrap="127.0.0.1:19093", metrics="127.0.0.1:9465")


def test_an_instance_is_found_while_it_runs_and_only_then(tmp_path: Path) -> None:
    assert running(tmp_path, "daybook") is None
    with claimed(tmp_path, "daybook"):
        assert running(tmp_path, "daybook") is None  # nothing announced yet
        announce(tmp_path, INSTANCE)
        assert running(tmp_path, "daybook") == INSTANCE
    assert running(tmp_path, "daybook") is None


def test_a_second_instance_in_the_same_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with claimed(tmp_path, "daybook"):
        announce(tmp_path, INSTANCE)
        with (
            pytest.raises(InstanceError, match=r"already runs here \(pid 1, broker 127\.0\.0\.1:19093\)") as caught,
            claimed(tmp_path, "daybook"),
        ):
            pass
        assert "\n" not in str(caught.value)


def test_another_namespace_in_the_same_folder_is_another_instance(tmp_path: Path) -> None:
    with claimed(tmp_path, "daybook"), claimed(tmp_path, "past"):
        announce(tmp_path, INSTANCE)
        assert running(tmp_path, "daybook") == INSTANCE
        assert running(tmp_path, "past") is None


def test_a_killed_instance_is_not_believed_to_run(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from streams.runtime.instance import Instance, announce, claimed\n"
        "folder = Path(sys.argv[1])\n"
        "with claimed(folder, 'daybook'):\n"
        "    announce(folder, Instance(pid=1, namespace='daybook', bootstrap='b', metrics='m'))\n"
        "    print('up', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert running(tmp_path, "daybook") is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert (tmp_path / "run" / "daybook.json").exists()
    assert running(tmp_path, "daybook") is None


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InstanceError, match=r"file: cannot write there"), claimed(tmp_path / "file", "daybook"):
        pass
