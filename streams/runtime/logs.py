"""Logging, set up once: one event, one line. For people on a terminal, as JSON elsewhere.

Daybook's own events come from INFO up; what libraries say (Faust, aiokafka) goes the same way from WARNING
up.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog

_OWN = ("streams", "detectors", "dashboards")


def configure_logging(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send all logging to ``stream`` (default: standard error). Calling it again replaces what was set up."""
    output = sys.stderr if stream is None else stream
    terminal = output.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    last: list[Any]
    if terminal:
        last = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    else:
        last = [_one_line, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # A timer that comes late under load is no news, and it says so each time.
    logging.getLogger("mode.timers").setLevel(logging.ERROR)
    # What goes wrong in it is raised as well, and told once; besides, it logs every attempt and each race in closing.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    for name in _OWN:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _one_line(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Some libraries log paragraphs and tables."""
    event["event"] = " ".join(str(event["event"]).split())
    return event
