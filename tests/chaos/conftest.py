"""Apache Kafka's jars, or a skip that says why there are none."""

from __future__ import annotations

from tests.integration.conftest import kafka_jars

__all__ = ["kafka_jars"]
