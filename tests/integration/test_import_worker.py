"""A real import through a real broker and a real worker: what it publishes is what the core finds by itself.

The core's values are held against SQL in test_import_real_data.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from msgspec.structs import replace

from streams.config import Config
from streams.ingest.imports import Record
from streams.kpis.values import KpiValue
from streams.runtime.server import BrokerProcess
from streams.runtime.topics import TopicNames, create_topics
from tests.integration.conftest import free_port
from tests.support.real_data import CONFIGS, ROOT, configured, import_whole, needs_real_data, through_the_core

pytestmark = needs_real_data

FINAL_WITHIN = 120.0
"""Seconds from the start of the worker, most of which it needs to join its group on a busy machine."""


@contextmanager
def worker(config: Config, name: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker in a process of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DAYBOOK_")}
    environment |= {
        "DAYBOOK_CONFIG": str(CONFIGS / f"{name}.daybook.yaml"),
        "DAYBOOK_NAMESPACE": config.namespace,
        "DAYBOOK_BOOTSTRAP": config.kafka.bootstrap,
        "DAYBOOK_DATA_DIR": str(config.data_dir),
        "DAYBOOK_METRICS_PORT": str(free_port()),
    }
    said = folder / "worker.log"
    with said.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "worker"],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=ROOT,
        )
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, said.read_text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def finals(
    config: Config, wanted: set[tuple[str, int]], process: subprocess.Popen[str]
) -> dict[tuple[str, int], KpiValue]:
    """What the worker publishes as final, by series and start, until all that is wanted is there."""
    topic = TopicNames(config.namespace).kpis
    consumer = KafkaConsumer(
        bootstrap_servers=config.kafka.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic)])
        found: dict[tuple[str, int], KpiValue] = {}
        deadline = time.monotonic() + FINAL_WITHIN
        while wanted - found.keys():
            assert process.poll() is None, "the worker ended"
            assert time.monotonic() < deadline, f"{len(wanted - found.keys())} of {len(wanted)} values are missing"
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    value = KpiValue.decode(record.value)
                    if value.status != "provisional":
                        found[value.series, value.start] = value
        return found
    finally:
        consumer.close()


@pytest.mark.parametrize("worker_is", ["there before", "started after"])
def test_a_worker_publishes_of_an_import_what_the_core_finds(
    broker: BrokerProcess, namespace: str, tmp_path: Path, worker_is: str
) -> None:
    config = configured("olist", tmp_path).with_(namespace=namespace)
    config = config.with_(kafka=replace(config.kafka, bootstrap=broker.bootstrap))
    records: list[Record] = []
    import_whole("olist", config, records.extend)
    values, _ = through_the_core(config, records)
    expected = {(value.series, value.start): value for value in values}
    create_topics(config)
    if worker_is == "started after":
        import_whole("olist", config)
    with worker(config, "olist", tmp_path) as process:
        if worker_is == "there before":
            import_whole("olist", config)
        found = finals(config, set(expected), process)
    assert {key: (value.value, value.parts) for key, value in found.items()} == {
        key: (value.value, value.parts) for key, value in expected.items()
    }
