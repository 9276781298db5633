"""The topics: their names, how each is kept, creating them and telling how they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from streams.errors import BrokerError, ConfigError
from streams.runtime.client_errors import broker_errors
from streams.runtime.offsets import offset_ranges
from streams.runtime.ports import require_reachable
from streams.runtime.security import client_security

if TYPE_CHECKING:
    from streams.config import Config

__all__ = [
    "MAX_EVENT_BYTES",
    "TopicInfo",
    "TopicNames",
    "admin",
    "client_security",
    "create_topics",
    "describe_topics",
]

_DAY_MS = 86_400_000
_MIB = 1 << 20
MAX_EVENT_BYTES = 12 * _MIB
"""The largest record that the event topics take. One beyond ``limits.event_bytes`` must still get in, to end
as a dead letter with a reason rather than as an exception in a shop system that nobody reads.
"""

_LEGAL_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True)
class TopicNames:
    """The names under one namespace. Two namespaces on one broker share nothing.

    Raises :class:`ConfigError` where a namespace would give names that Kafka refuses.
    """

    namespace: str

    def __post_init__(self) -> None:
        if not _LEGAL_NAMESPACE.fullmatch(self.namespace):
            raise ConfigError(
                f"namespace: {self.namespace!r} cannot begin a topic's name (expected letters, digits, '.', "
                "'_' or '-', a letter or digit first, at most 200)"
            )

    @property
    def orders(self) -> str:
        return f"{self.namespace}.orders.v1"

    @property
    def deliveries(self) -> str:
        return f"{self.namespace}.deliveries.v1"

    @property
    def support(self) -> str:
        return f"{self.namespace}.support.v1"

    @property
    def calendar(self) -> str:
        return f"{self.namespace}.calendar.v1"

    @property
    def partials(self) -> str:
        return f"{self.namespace}.partials.v1"

    @property
    def kpis(self) -> str:
        return f"{self.namespace}.kpis.v1"

    @property
    def incidents(self) -> str:
        return f"{self.namespace}.incidents.v1"

    @property
    def feedback(self) -> str:
        return f"{self.namespace}.feedback.v1"

    @property
    def state(self) -> str:
        return f"{self.namespace}.state.v1"

    @property
    def series_state(self) -> str:
        return f"{self.namespace}.series-state.v1"

    @property
    def incident_state(self) -> str:
        return f"{self.namespace}.incident-state.v1"

    @property
    def state_logs(self) -> tuple[str, str, str]:
        """What workers know, topic by topic."""
        return self.state, self.series_state, self.incident_state

    @property
    def events(self) -> tuple[str, str, str]:
        """The three event topics, by family number: orders 0, deliveries 1, support 2."""
        return self.orders, self.deliveries, self.support

    @property
    def all(self) -> tuple[str, ...]:
        """Every topic but the dead-letter ones."""
        return (
            *self.events,
            self.calendar,
            self.partials,
            self.kpis,
            self.incidents,
            self.feedback,
            *self.state_logs,
        )

    @property
    def dead_letters(self) -> tuple[str, ...]:
        """The dead-letter topics: one for each topic whose records can be set aside. Not for the state logs:
        a record there that cannot be read is passed over, like one that does not count.
        """
        return tuple(self.dlq(topic) for topic in self.all if topic not in self.state_logs)

    def dlq(self, topic: str) -> str:
        """The dead-letter topic of ``topic``."""
        return f"{topic}.dlq"


@dataclass(frozen=True)
class TopicInfo:
    """A topic as it stands. Offsets are one per partition; ``retention_ms`` is ``None`` where records are
    kept for ever, or where the broker does not tell (then ``cleanup`` is empty).
    """

    name: str
    begin: tuple[int, ...]
    end: tuple[int, ...]
    retention_ms: int | None
    cleanup: str

    @property
    def partitions(self) -> int:
        return len(self.end)

    @property
    def records(self) -> int:
        """How many records are kept; after compaction, at most so many."""
        return sum(self.end) - sum(self.begin)


@contextmanager
def admin(config: Config) -> Iterator[Any]:
    """A ``KafkaAdminClient`` on the configured broker, closed at the end; Kafka's errors become
    :class:`BrokerError`."""
    require_reachable(config.kafka.bootstrap)
    with broker_errors(config.kafka.bootstrap):
        client = KafkaAdminClient(
            bootstrap_servers=config.kafka.bootstrap.split(","),
            client_id="daybook-admin",
            bootstrap_timeout_ms=10_000,
            **client_security(config, "kafka-python"),
        )
        try:
            yield client
        finally:
            client.close()


def create_topics(config: Config) -> list[str]:
    """Create the topics that do not exist yet; the names of those created, in the order of
    :class:`TopicNames`.

    What exists is left as it is, so its retention and limits may be tuned with Kafka's own tools. Raises
    :class:`BrokerError` when the broker refuses, or when one of the co-partitioned topics (the three event
    topics and the state log) has another number of partitions than configured: an order, its delivery and its
    state would then meet in different workers.
    """
    wanted = topic_layout(config)
    names = TopicNames(config.namespace)
    with admin(config) as client:
        existing = _partition_counts(client, list(wanted))
        _check_copartitioned(names, existing, config.kafka.partitions)
        missing = {name: layout for name, layout in wanted.items() if name not in existing}
        if not missing:
            return []
        created = []
        for topic in client.create_topics(missing, raise_errors=False)["topics"]:
            error = for_code(topic["error_code"])
            if topic["error_code"] == 0:
                created.append(topic["name"])
            elif error is not TopicAlreadyExistsError:  # another worker may have been faster
                reason = topic.get("error_message") or error.__name__
                raise BrokerError(f"{config.kafka.bootstrap}: cannot create {topic['name']}: {reason}")
        client.wait_for_topics(list(missing))
        _check_copartitioned(names, _partition_counts(client, list(wanted)), config.kafka.partitions)
    return [name for name in wanted if name in created]


def describe_topics(config: Config) -> list[TopicInfo]:
    """How the topics of the namespace stand, those that exist, in the order of :class:`TopicNames`."""
    with admin(config) as client:
        counts = _partition_counts(client, list(topic_layout(config)))
        wanted = [ConfigResource(ConfigResourceType.TOPIC, name) for name in counts]
        kept = client.describe_configs(wanted).get("topic", {})
    ranges = offset_ranges(config, [TopicPartition(name, at) for name, count in counts.items() for at in range(count)])
    return [
        TopicInfo(
            name,
            tuple(ranges[TopicPartition(name, at)][0] for at in range(count)),
            tuple(ranges[TopicPartition(name, at)][1] for at in range(count)),
            _retention(kept.get(name, {})),
            kept.get(name, {}).get("cleanup.policy", {}).get("value", ""),
        )
        for name, count in counts.items()
    ]


def topic_layout(config: Config) -> dict[str, dict[str, Any]]:
    """What to ask for when a topic is created, by name, in kafka-python's form."""
    names = TopicNames(config.namespace)
    shared = config.kafka.partitions

    def topic(partitions: int, cleanup: str = "delete", keep: int = -1, record: int = _MIB) -> dict[str, Any]:
        return {
            "num_partitions": partitions,
            "replication_factor": config.kafka.replication,
            "configs": {
                "cleanup.policy": cleanup,
                "retention.ms": str(keep),
                # Arrival is the broker's clock. Retention counts from it too: an import of years past stays.
                "message.timestamp.type": "LogAppendTime",
                # The broker's limit is on a batch: a full record and what surrounds it.
                "max.message.bytes": str(record + 64 * 1024),
            },
        }

    event = topic(shared, keep=30 * _DAY_MS, record=MAX_EVENT_BYTES)
    layout = dict.fromkeys(names.events, event)
    # An entry holds until it is replaced or withdrawn by an empty record.
    layout[names.calendar] = topic(1, "compact")
    # Keyed by KPI: what all workers say of it meets in one reader. Absolute: the older ones are soon
    # worthless.
    layout[names.partials] = topic(shared, keep=7 * _DAY_MS, record=8 * _MIB)
    # Keyed by series, which has many panes: compaction would leave one value of each and lose its history. One
    # partition: whoever makes incidents of them needs all of a business before it, in one order.
    layout[names.kpis] = topic(1, keep=30 * _DAY_MS)
    # The current state for ever; each change on the way there for a month.
    layout[names.incidents] = topic(1, "compact")
    layout[names.incidents]["configs"]["min.compaction.lag.ms"] = str(30 * _DAY_MS)
    # Few and precious: detectors learn from them again after every change of model.
    layout[names.feedback] = topic(1)
    # Nothing is deleted by age: a worker that was away for long still finds its state. What is older than the snapshot
    # before the last is deleted by whoever writes the next one, a small file at a time.
    for name in names.state_logs:
        layout[name] = topic(1 if name == names.incident_state else shared)
        layout[name]["configs"]["segment.bytes"] = str(64 * _MIB)
    layout |= dict.fromkeys(names.dead_letters, topic(1, keep=30 * _DAY_MS, record=MAX_EVENT_BYTES))
    return layout


def _partition_counts(client: Any, names: list[str]) -> dict[str, int]:
    """Partitions of those of ``names`` that exist, in their order."""
    found = {}
    for topic in client.describe_topics(names):
        error = for_code(topic["error_code"])
        if topic["error_code"] == 0:
            found[topic["name"]] = len(topic["partitions"])
        elif error is not UnknownTopicOrPartitionError:
            raise error(topic["name"])
    return {name: found[name] for name in names if name in found}


def _check_copartitioned(names: TopicNames, counts: dict[str, int], expected: int) -> None:
    for name in (names.kpis, names.feedback, names.incidents, names.incident_state, names.calendar):
        if counts.get(name, 1) != 1:
            raise BrokerError(
                f"{name} has {counts[name]} partitions, expected 1: whoever makes incidents needs all of it in one "
                "order; delete it, what it held is told anew, or use another namespace"
            )
    alike = (*names.events, names.state, names.partials, names.series_state)
    wrong = {name: counts[name] for name in alike if counts.get(name, expected) != expected}
    if not wrong:
        return
    found = ", ".join(f"{name} has {count}" for name, count in wrong.items())
    common = {counts[name] for name in alike if name in counts}
    advice = f"set kafka.partitions to {common.pop()}" if len(common) == 1 else "delete and create them again"
    raise BrokerError(
        f"{found} partitions, expected {expected} (kafka.partitions): the event topics, the partials and the state "
        f"logs are read side by side and need the same number; {advice}, or use another namespace"
    )


def _retention(configs: dict[str, Any]) -> int | None:
    if "delete" not in configs.get("cleanup.policy", {}).get("value", ""):
        return None
    value = int(configs.get("retention.ms", {}).get("value", -1))
    return None if value < 0 else value
