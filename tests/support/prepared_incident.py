"""An incident of its own for the tests: with a worklist and a past, beside those that the worker finds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from detectors.incidents.incident import Case, Change, Incident
from streams.runtime.producer import open_producer
from streams.runtime.topics import TopicNames
from tests.support.incidents import assessment, incident, symptom, then

if TYPE_CHECKING:
    from streams.config import Config

PREPARED = "on_time_ratio-prepared"
HOUR = 3_600_000
WHY = "was to be there by 18:00, has not left the carrier's depot"


def revisions(now: int) -> list[Incident]:
    """Opened three hours ago, looked into, worse since an hour."""
    since = now - 4 * HOUR
    cases = tuple(
        Case(
            order=f"o-{2000 + each}", customer=f"c-{700 + each}", amount=2_000 + 310 * each, why=WHY,
            since=since + each * 600_000, tickets=(f"t-{each}",) if each % 3 == 0 else (),
        )
        for each in range(8)
    )  # fmt: skip
    opened = incident(
        PREPARED, since=since, until=now - 3 * HOUR, cause_until=now - 3 * HOUR,
        symptoms=(symptom(since=since, until=now - 3 * HOUR),),
        history=(Change(now - 3 * HOUR, "opened", note="60.0 % instead of 94.0 %"),),
    )  # fmt: skip
    looked_into = then(
        opened, "explained", now - 3 * HOUR + 60_000,
        assessment=assessment(at=now - 3 * HOUR, orders=8, customers=8, tickets=3, amount=24_680, cases=cases),
    )  # fmt: skip
    return [opened, looked_into, then(looked_into, "worsened", now - HOUR, severity="critical", until=now)]


def prepare(config: Config) -> None:
    """Put it on the topic."""
    names = TopicNames(config.namespace)
    producer = open_producer(config)
    try:
        for each in revisions(int(time.time() * 1000)):
            producer.send(names.incidents, each.encode(), each.id.encode()).get(timeout=10)
    finally:
        producer.close()
