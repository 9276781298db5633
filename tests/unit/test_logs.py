"""Logging: one event, one line, whoever says it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from streams.runtime.logs import configure_logging


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was for other tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json_where_no_terminal_is() -> None:
    stream = io.StringIO()
    configure_logging(stream)
    structlog.get_logger("streams.runtime.app").info("worker ready", group="daybook-worker", partitions=4)
    (event,) = lines(stream)
    assert event["event"] == "worker ready"
    assert event["level"] == "info"
    assert (event["group"], event["partitions"]) == ("daybook-worker", 4)
    assert str(event["timestamp"]).endswith("Z")


def test_libraries_go_the_same_way_from_warning_up_on_one_line_each() -> None:
    stream = io.StringIO()
    configure_logging(stream)
    logging.getLogger("faust.app").info("starting")
    logging.getLogger("aiokafka").warning("lost %s\n\n  of %d", "connection", 3)
    logging.getLogger("mode.timers").warning("Timer refresh is overlapping")
    (event,) = lines(stream)
    assert event["event"] == "lost connection of 3"
    assert event["logger"] == "aiokafka"


def test_an_exception_stays_on_the_line_of_its_event() -> None:
    stream = io.StringIO()
    configure_logging(stream)
    try:
        raise ValueError("odd")
    except ValueError:
        structlog.get_logger("streams").exception("cannot go on")
    (event,) = lines(stream)
    assert "ValueError: odd" in str(event["exception"])


def test_a_terminal_gets_text() -> None:
    stream = Terminal()
    configure_logging(stream)
    structlog.get_logger("streams").info("worker ready", partitions=4)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "worker ready" in text
    assert not text.startswith("{")


def test_setting_it_up_again_does_not_double_the_lines() -> None:
    configure_logging(io.StringIO())
    stream = io.StringIO()
    configure_logging(stream)
    logging.getLogger("streams").warning("once")
    assert len(lines(stream)) == 1
