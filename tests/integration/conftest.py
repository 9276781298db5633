"""Real brokers for the tests: one process of each kind for the session, a namespace of its own for each test.

A test that takes ``broker`` runs on the embedded broker and again on Apache Kafka; the latter is skipped
where Java or Maven is missing (tests/conftest.py makes that a failure in CI).
``DAYBOOK_TEST_BROKER=embedded`` (or ``apache``) runs one kind only.
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.config import Config, load_config
from streams.runtime.broker import EmbeddedBroker
from streams.runtime.kafka import ApacheKafka, fetch_jars
from streams.runtime.ports import next_free
from streams.runtime.server import BrokerProcess
from tests.support.programs import program

KINDS = ("embedded", "apache")
_RANDOM = random.SystemRandom()
"""Not seeded for each test, as the module's own is by Hypothesis: two runs at once would take the same ports."""
QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Java options that spare a third of the processor time of a start; not for measuring throughput."""


def free_port() -> int:
    """A port nothing listens on, below those the system hands out by itself: no client takes it meanwhile."""
    return next_free("127.0.0.1", _RANDOM.randrange(20_000, 30_000))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "broker" in metafunc.fixturenames:
        chosen = os.environ.get("DAYBOOK_TEST_BROKER")
        kinds = [kind for kind in KINDS if chosen in (None, "", kind)]
        metafunc.parametrize("broker", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> BrokerProcess:
    """A running broker; ``broker.bootstrap`` is its address."""
    found: BrokerProcess = request.getfixturevalue(f"{request.param}_broker")
    return found


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """The session's embedded broker."""
    with EmbeddedBroker(tmp_path_factory.mktemp("embedded"), free_port()) as running:
        yield running


@pytest.fixture(scope="session")
def apache_broker(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """The session's Apache Kafka."""
    folder = tmp_path_factory.mktemp("kafka")
    with ApacheKafka(folder, free_port(), kafka_jars, controller_port=free_port(), java_options=QUICK_START) as running:
        yield running


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """Apache Kafka's jars, for a test that starts a broker of its own."""
    for name in ("java", "mvn"):
        program(name)
    return fetch_jars()


@pytest.fixture
def namespace() -> str:
    """A namespace no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def config(broker: BrokerProcess, namespace: str, tmp_path: Path) -> Config:
    """The default configuration on the running broker, under the test's namespace, in a folder of its own."""
    return config_on(broker, namespace, tmp_path / "daybook")


def config_on(broker: BrokerProcess, namespace: str, data_dir: Path | None = None) -> Config:
    """The default configuration on a broker."""
    env = {"DAYBOOK_BOOTSTRAP": broker.bootstrap, "DAYBOOK_NAMESPACE": namespace}
    return load_config(env=env if data_dir is None else env | {"DAYBOOK_DATA_DIR": str(data_dir)})
