"""The calendar topic, read by every worker: promotions, holidays, maintenance and outages that were announced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from detectors.calendar.business import BusinessCalendar
from detectors.calendar.hours import Hours
from detectors.calendar.ics import occasions_in
from detectors.calendar.occasions import occasion_of
from streams.errors import ConfigError, ContractError
from streams.events.codec import decode_calendar, encode
from streams.events.times import parse_time
from streams.events.types import CalendarEntry
from streams.runtime.client_errors import broker_errors
from streams.runtime.follower import Follower
from streams.runtime.producer import open_producer
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config

log = structlog.get_logger(__name__)

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


def calendar_feed(config: Config, calendar: BusinessCalendar) -> Follower:
    """Keeps ``calendar`` as the calendar topic says. An entry of an id replaces the one before it; a record without a
    value withdraws it. What cannot be read is logged and passed over."""

    def apply(record: Any) -> None:
        if record.value is None:
            calendar.withdraw((record.key or b"").decode(errors="replace"))
            return
        try:
            calendar.put([occasion_of(decode_calendar(record.value).data)])
        except ContractError as error:
            log.error("a calendar entry cannot be read", offset=record.offset, error=str(error))

    return Follower(config, TopicNames(config.namespace).calendar, apply)


def announce(config: Config, entry: CalendarEntry) -> None:
    """Put an entry on the calendar topic, in place of one of the same id. Raises
    :class:`~streams.errors.BrokerError` where the broker does not take it."""
    with broker_errors(config.kafka.bootstrap):
        producer = open_producer(config)
        try:
            producer.send(TopicNames(config.namespace).calendar, value=encode(entry), key=entry.subject.encode()).get(
                timeout=10
            )
        finally:
            producer.close()
