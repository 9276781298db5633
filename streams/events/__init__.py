"""The event contracts: types, codec, times, pseudonyms. Documents made from them:
:mod:`streams.events.schema`."""

from __future__ import annotations

from streams.events.codec import (
    CONTENT_TYPE,
    HEADERS,
    ChunkDecoder,
    check_times,
    decode,
    decode_calendar,
    encode,
)
from streams.events.identity import customer_key, pseudonym
from streams.events.rejections import Family, Rejection
from streams.events.times import NO_TIME, format_time, parse_time, parse_times
from streams.events.types import BusinessEvent, CalendarEntry, DeliveryEvent, OrderEvent, SupportEvent

__all__ = [
    "CONTENT_TYPE",
    "HEADERS",
    "NO_TIME",
    "BusinessEvent",
    "CalendarEntry",
    "ChunkDecoder",
    "DeliveryEvent",
    "Family",
    "OrderEvent",
    "Rejection",
    "SupportEvent",
    "check_times",
    "customer_key",
    "decode",
    "decode_calendar",
    "encode",
    "format_time",
    "parse_time",
    "parse_times",
    "pseudonym",
]
