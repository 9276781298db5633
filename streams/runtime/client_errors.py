"""The errors of the Kafka client libraries, in one line for a user."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from aiokafka.errors import KafkaError as AsyncKafkaError
from kafka.errors import KafkaError

from streams.errors import BrokerError

_LONGEST = 160


@contextlib.contextmanager
def broker_errors(bootstrap: str) -> Iterator[None]:
    """Turn errors of kafka-python and aiokafka into :class:`BrokerError`, with the address they came from."""
    try:
        yield
    except (KafkaError, AsyncKafkaError) as error:
        raise BrokerError(f"{bootstrap}: {brief(error)}") from error


def brief(error: BaseException) -> str:
    """What an error says, or its name where it says nothing or recites a whole request."""
    text = " ".join(str(error).split())
    return text if 0 < len(text) <= _LONGEST and text != "None" else type(error).__name__
