"""How the pipeline stands: asked of the workers' metrics and of the broker."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from streams.errors import BrokerError, DaybookError

if TYPE_CHECKING:
    from streams.config import Config

MOST_WORKERS = 32
"""Workers of one machine count up their ports from the configured one; so many are looked for."""

Labels = tuple[tuple[str, str], ...]
Samples = Mapping[str, Mapping[Labels, float]]
"""By metric name, the value of each set of labels."""


class MetricsError(DaybookError):
    """Nothing answers where a worker's metrics should be."""


class WorkerStatus(msgspec.Struct, kw_only=True):
    """What one worker, or several taken together, say. Watermarks are epoch ms by partition number; ``lag``
    is by topic and partition."""

    urls: list[str] = []
    events: int = 0
    late: int = 0
    duplicates: int = 0
    series: int = 0
    open_cases: int = 0
    dead_letters: dict[str, int] = {}
    watermarks: dict[int, int] = {}
    lag: dict[str, dict[int, int]] = {}

    @property
    def watermark(self) -> int | None:
        """The slowest partition's."""
        return min(self.watermarks.values(), default=None)


class PartitionStatus(msgspec.Struct, kw_only=True):
    """One partition of an event topic; ``None`` is what nobody could say. ``end`` is the offset after the
    newest record, ``lag`` how many are not yet read, ``watermark`` epoch ms."""

    topic: str
    partition: int
    end: int
    lag: int | None
    watermark: int | None


class Status(msgspec.Struct, kw_only=True):
    """The whole picture at ``at`` (epoch ms). ``dead_letters`` counts the records kept, by topic."""

    at: int
    namespace: str
    bootstrap: str
    workers: WorkerStatus | None
    partitions: list[PartitionStatus]
    dead_letters: dict[str, int]


def metrics_url(config: Config, number: int = 0) -> str:
    """Where the metrics of the ``number``-th worker on this machine are."""
    host = config.worker.metrics_host
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{config.worker.metrics_port + number}/metrics"


def fetch(url: str, timeout: float = 2.0) -> str:
    """The text at ``url``. Raises :class:`MetricsError`."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return str(answer.read().decode("utf-8"))
    except urllib.error.URLError as error:
        raise MetricsError(f"{url}: {error.reason}") from None
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
        raise MetricsError(f"{url}: {error}") from None


def is_worker(url: str) -> bool:
    """Whether a worker's metrics answer at ``url``."""
    try:
        return "daybook_build_info" in fetch(url)
    except MetricsError:
        return False


def read_samples(text: str) -> Samples:
    """Prometheus' text format as samples."""
    from prometheus_client.parser import text_string_to_metric_families

    samples: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples[sample.name][tuple(sorted(sample.labels.items()))] = sample.value
    except ValueError as error:
        raise MetricsError(f"not Prometheus metrics: {error}") from None
    return samples


def ask_worker(url: str) -> WorkerStatus:
    """What the worker at ``url`` says of itself. Raises :class:`MetricsError`."""
    samples = read_samples(fetch(url))
    if "daybook_build_info" not in samples:
        raise MetricsError(f"{url}: not a Daybook worker's metrics")

    def total(name: str) -> int:
        return int(sum(samples.get(name, {}).values()))

    status = WorkerStatus(
        urls=[url],
        events=total("daybook_events_total"),
        late=total("daybook_late_events_total"),
        duplicates=total("daybook_duplicate_events_total"),
        series=total("daybook_series"),
        open_cases=total("daybook_open_cases"),
    )
    for labels, value in samples.get("daybook_dead_letters_total", {}).items():
        topic = dict(labels)["topic"]
        status.dead_letters[topic] = status.dead_letters.get(topic, 0) + int(value)
    for labels, value in samples.get("daybook_watermark_seconds", {}).items():
        status.watermarks[int(dict(labels)["partition"])] = int(value * 1000)
    for labels, value in samples.get("daybook_consumer_lag", {}).items():
        found = dict(labels)
        status.lag.setdefault(found["topic"], {})[int(found["partition"])] = int(value)
    return status


def ask_workers(config: Config) -> WorkerStatus | None:
    """What all workers of the namespace on the configured host say, taken together; ``None`` where none
    answers."""
    together: WorkerStatus | None = None
    for status in _each_worker(config):
        if together is None:
            together = status
            continue
        together.urls += status.urls
        for name in ("events", "late", "duplicates", "series", "open_cases"):
            setattr(together, name, getattr(together, name) + getattr(status, name))
        for topic, count in status.dead_letters.items():
            together.dead_letters[topic] = together.dead_letters.get(topic, 0) + count
        together.watermarks |= status.watermarks
        for topic, lags in status.lag.items():
            together.lag.setdefault(topic, {}).update(lags)
    return together


def _each_worker(config: Config) -> Iterator[WorkerStatus]:
    prefix = f"{config.namespace}."
    for number in range(MOST_WORKERS):
        try:
            status = ask_worker(metrics_url(config, number))
        except MetricsError:
            return
        # The first that has no partitions yet is ours by its address; another one may be anybody's.
        if (number == 0 and not status.lag) or any(topic.startswith(prefix) for topic in status.lag):
            yield status


def take_status(config: Config) -> Status:
    """Ask the workers and the broker. Raises :class:`BrokerError` where no broker answers; workers may be
    absent."""
    from streams.runtime.topics import TopicNames, describe_topics

    names = TopicNames(config.namespace)
    topics = {topic.name: topic for topic in describe_topics(config)}
    workers = ask_workers(config)
    published = _published(config, names.events) if workers is None else {}
    letters = {name: topics[name].records for name in names.dead_letters if name in topics}
    partitions = []
    for name in names.events:
        for number, end in enumerate(topics[name].end if name in topics else ()):
            lag = workers.lag.get(name, {}).get(number) if workers else None
            if (done := published.get((name, number))) is not None:
                lag = max(0, end - done)
            partitions.append(
                PartitionStatus(
                    topic=name,
                    partition=number,
                    end=end,
                    lag=lag,
                    watermark=workers.watermarks.get(number) if workers else None,
                )
            )
    return Status(
        at=int(time.time() * 1000),
        namespace=config.namespace,
        bootstrap=config.kafka.bootstrap,
        workers=workers,
        partitions=partitions,
        dead_letters=letters,
    )


def _published(config: Config, topics: tuple[str, ...]) -> dict[tuple[str, int], int]:
    """By topic and partition, up to where the workers of the group have published results, as the broker
    knows."""
    from kafka import TopicPartition

    from streams.runtime.topics import admin

    wanted = [TopicPartition(topic, number) for topic in topics for number in range(config.kafka.partitions)]
    group = f"{config.namespace}-{config.worker.group}"
    try:
        with admin(config) as client:
            offsets = client.list_group_offsets({group: wanted}).get(group, {})
    except BrokerError:  # Kafka makes its group coordinator when the first group comes
        return {}
    return {(tp.topic, tp.partition): found.offset for tp, found in offsets.items() if found.offset >= 0}
