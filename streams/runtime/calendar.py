"""The calendar topic, read by every worker: promotions, holidays, maintenance and outages that were announced."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from detectors.calendar.business import BusinessCalendar
from detectors.calendar.hours import Hours
from detectors.calendar.ics import occasions_in
from detectors.calendar.occasions import occasion_of
from streams.errors import BrokerError, ConfigError, ContractError
from streams.events.codec import decode_calendar
from streams.events.times import parse_time
from streams.runtime.reader import consumer
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config

log = structlog.get_logger(__name__)

CAUGHT_UP_WITHIN = 10.0
"""Seconds after which a worker goes on without having read all of the calendar."""
_AGAIN_AFTER = 5.0
_UNFOLDED = (parse_time("2015-01-01T00:00:00Z"), parse_time("2045-01-01T00:00:00Z"))
"""Repeating events of calendar files are unfolded between these: history is imported, and workers run for long."""


def business_calendar(config: Config) -> BusinessCalendar:
    """The calendar as it is configured. Raises :class:`ConfigError` for a calendar file that cannot be read."""
    business = config.business
    hours = None if business.opening_hours is None else Hours(business.opening_hours, business.timezone)
    calendar = BusinessCalendar(
        business.timezone, hours, business.country, business.subdivision, business.open_on_holidays
    )
    for file in business.calendars:
        try:
            text = file.read_text(encoding="utf-8-sig")
            calendar.put(occasions_in(text, business.timezone, *_UNFOLDED))
        except (OSError, UnicodeDecodeError, ContractError) as error:
            raise ConfigError(f"business.calendars: {file}: {error}") from None
    return calendar


class CalendarFeed:
    """Keeps ``calendar`` as the calendar topic says, in a thread of its own.

    An entry of an id replaces the one before it; a record without a value withdraws it. What cannot be read is logged
    and passed over.
    """

    def __init__(self, config: Config, calendar: BusinessCalendar) -> None:
        self._config, self._calendar = config, calendar
        self._topic = TopicNames(config.namespace).calendar
        self._ends = threading.Event()
        self._caught_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="calendar", daemon=True)

    def start(self) -> None:
        """Begin to read; returns once all that is there has been read, or after :data:`CAUGHT_UP_WITHIN`."""
        self._thread.start()
        if not self._caught_up.wait(CAUGHT_UP_WITHIN):
            log.warning("the calendar has not been read in time, going on without", topic=self._topic)

    def close(self) -> None:
        """Stop reading."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                self._follow()
            except (KafkaError, BrokerError) as error:
                log.warning("calendar not read, trying again", error=str(error) or type(error).__name__)
                self._ends.wait(_AGAIN_AFTER)

    def _follow(self) -> None:
        reader = consumer(self._config)
        try:
            partitions = [
                TopicPartition(self._topic, number) for number in reader.partitions_for_topic(self._topic) or ()
            ]
            if not partitions:
                raise BrokerError(f"there is no topic {self._topic}")
            reader.assign(partitions)
            reader.seek_to_beginning(*partitions)
            ends = reader.end_offsets(partitions)
            while not self._ends.is_set():
                for records in reader.poll(500, max_records=1_000).values():
                    for record in records:
                        self._apply(record)
                if all(reader.position(partition) >= end for partition, end in ends.items()):
                    self._caught_up.set()
        finally:
            reader.close(autocommit=False)

    def _apply(self, record: Any) -> None:
        if record.value is None:
            self._calendar.withdraw((record.key or b"").decode(errors="replace"))
            return
        try:
            self._calendar.put([occasion_of(decode_calendar(record.value).data)])
        except ContractError as error:
            log.error("a calendar entry cannot be read", offset=record.offset, error=str(error))
