"""A running worker takes up what was agreed upon about alerts, without a restart."""

from __future__ import annotations

from pathlib import Path

from streams.config import load_config
from streams.config.edit import set_alerts
from streams.runtime.server import BrokerProcess
from tests.integration.conftest import config_on
from tests.integration.test_worker import Process


def test_alerts_written_to_the_file_are_taken_up(
    embedded_broker: BrokerProcess, namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("alerts:\n  per_week: 3 # ours\n")
    config = config_on(embedded_broker, namespace, tmp_path / "daybook")
    worker = Process(config, tmp_path / "worker.log", ("-m", "streams.cli", "--config", str(file), "worker"))
    try:
        worker.until(lambda: worker.total("daybook_assigned_partitions") > 0)
        set_alerts(file, "refund_ratio", {"least_cases": 5.0}, "as a test")
        worker.until(lambda: "alerts are set anew" in worker.output)
        assert "refund_ratio" in worker.output
        worker.stop()
    finally:
        worker.kill()
    assert load_config(file, {}).alerts.kpis["refund_ratio"].least_cases == 5.0
