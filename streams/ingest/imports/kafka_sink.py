"""Records into Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from streams.config import Config
from streams.ingest.imports.send import Sink


@contextmanager
def kafka_sink(config: Config) -> Iterator[Sink]:
    """A sink that writes to the configured broker."""
    raise NotImplementedError
    yield
