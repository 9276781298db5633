"""The events behind a KPI's value: which they are, and reading them from the topics. Every number can be opened."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from kafka import TopicPartition
from kafka.errors import KafkaError

from streams.cli.incident_pages import no_formula
from streams.errors import BrokerError
from streams.events.codec import UNREADABLE
from streams.events.times import NO_TIME, format_time, parse_times
from streams.kpis.definitions import Definitions, DurationKpi, KpiDefinition, LevelKpi, Moment
from streams.runtime.client_errors import brief
from streams.runtime.offsets import offset_ranges
from streams.runtime.reader import consumer
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config

SHOWN, MOST = 200, 20_000
"""Events that are shown, and that a download has at the most."""
AT_ONCE = 5_000
"""Records of one poll."""
WITHIN_S = 12.0
"""So long topics are looked through; what is not found then is said to be missing."""


class _Record(msgspec.Struct):
    id: str
    source: str
    type: str
    time: str
    subject: str
    data: dict[str, Any] = {}


_DECODER = msgspec.json.Decoder(_Record)


class Event(NamedTuple):
    """An event as it arrived: its time (epoch ms), what it says, where it is (``topic/partition/offset``)."""

    at: int
    type: str
    subject: str
    source: str
    id: str
    place: str
    data: dict[str, Any]


class Found(NamedTuple):
    """Events by time. ``complete`` is whether those are all there are."""

    events: tuple[Event, ...]
    complete: bool


def moments_of(kpi: KpiDefinition, definitions: Definitions) -> tuple[Moment, ...]:
    """What moves a KPI: what it counts or adds up, what ends a duration, what enters or leaves a level."""
    if isinstance(kpi, DurationKpi):
        names = kpi.end
    elif isinstance(kpi, LevelKpi):
        names = (*kpi.start, *kpi.until, *kpi.again)
    else:
        names = (*kpi.of.moments, *(() if kpi.per is None else kpi.per.moments))
    return tuple(definitions.moments[name] for name in dict.fromkeys(names))


class Wanted:
    """Which events are behind a KPI from one instant to another (epoch ms), in a slice."""

    def __init__(
        self, kpi: KpiDefinition, definitions: Definitions, span: tuple[int, int], slice_: Mapping[str, str]
    ) -> None:
        self.start, self.end = span
        self._moments: dict[str, list[Moment]] = {}
        for moment in moments_of(kpi, definitions):
            self._moments.setdefault(moment.event, []).append(moment)
        self._slice = slice_
        self._fields = {(each.name, type_): field for each in definitions.dimensions for type_, field in each.sources}

    @property
    def types(self) -> list[str]:
        """The types of events that can be behind it."""
        return list(self._moments)

    @property
    def told_by_events(self) -> bool:
        """Whether the events themselves say which slice they are of, or it is known of their order only."""
        return all((name, type_) in self._fields for name in self._slice for type_ in self._moments)

    def has(self, at: int, type_: str, data: Mapping[str, Any]) -> bool:
        """Whether it is one of them; where an event does not say which slice it is of, it may be."""
        if not self.start <= at < self.end or type_ not in self._moments:
            return False
        if not any(
            all(data.get(field) in values for field, values in moment.where.items()) for moment in self._moments[type_]
        ):
            return False
        for name, value in self._slice.items():
            field = self._fields.get((name, type_))
            if field is not None and data.get(field) not in (value, None) and value != "other":
                return False
        return True


def find(config: Config, wanted: Wanted, most: int = SHOWN) -> Found:
    """Look the event topics through, from what arrived just before the time on, for at most so many events and
    :data:`WITHIN_S` seconds. Where a partition has come to what is later than the allowed lateness, it is left: what
    follows of that time was too late to be counted. Raises :class:`BrokerError`."""
    families = {type_.partition(".")[0] for type_ in wanted.types}
    named = dict(zip(("order", "delivery", "ticket"), TopicNames(config.namespace).events, strict=True))
    try:
        reader = consumer(config)
    except KafkaError as error:
        raise BrokerError(f"{config.kafka.bootstrap}: {brief(error)}") from None
    try:
        return _read(config, reader, [named[family] for family in sorted(families)], wanted, most)
    except KafkaError as error:
        raise BrokerError(f"{config.kafka.bootstrap}: {brief(error)}") from None
    finally:
        reader.close(autocommit=False)


def _read(config: Config, reader: Any, topics: list[str], wanted: Wanted, most: int) -> Found:
    partitions = [
        TopicPartition(topic, number) for topic in topics for number in sorted(reader.partitions_for_topic(topic) or ())
    ]
    ends = {each: end for each, (_, end) in offset_ranges(config, partitions).items()}
    # Nothing arrives before it happens, but for clocks that are ahead.
    begun = reader.offsets_for_times(dict.fromkeys(partitions, max(0, wanted.start - config.time.future_limit)))
    left = {each for each in partitions if begun.get(each) is not None and begun[each].offset < ends[each]}
    reader.assign(sorted(left))
    for each in left:
        reader.seek(each, begun[each].offset)
    found: list[Event] = []
    over = wanted.end + config.time.allowed_lateness + config.time.out_of_order
    deadline = time.monotonic() + WITHIN_S
    while left and len(found) < most and time.monotonic() < deadline:
        for each, records in reader.poll(300, max_records=AT_ONCE).items():
            if each not in left:
                continue
            fitting, oldest = _fitting(wanted, (record for record in records if record.offset < ends[each]))
            found += fitting
            if oldest > over:
                left.discard(each)
                reader.pause(each)
        left = {each for each in left if reader.position(each) < ends[each]}
    found.sort(key=lambda event: (event.at, event.place))
    return Found(tuple(found[:most]), not left and len(found) <= most)


def _fitting(wanted: Wanted, records: Iterable[Any]) -> tuple[list[Event], int]:
    """The records that are such events, and the oldest time of all that are events (epoch ms; -1 where there are none).
    What is no event is a dead letter elsewhere."""
    decoded = []
    for record in records:
        try:
            decoded.append((record, _DECODER.decode(record.value or b"")))
        except UNREADABLE:
            continue
    parsed, _ = parse_times([one.time for _, one in decoded])
    times = parsed.tolist()
    fitting = [
        Event(
            at, one.type, one.subject, one.source, one.id,
            f"{record.topic}/{record.partition}/{record.offset}", one.data,
        )
        for (record, one), at in zip(decoded, times, strict=True)
        if at != NO_TIME and wanted.has(at, one.type, one.data)
    ]  # fmt: skip
    return fitting, min((at for at in times if at != NO_TIME), default=-1)


COLUMNS = ("time", "type", "subject", "source", "id", "place", "data")


def events_csv(events: Iterable[Event]) -> str:
    """A line for each event; times in UTC, ``data`` as JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in events:
        cells = (one.type, one.subject, one.source, one.id, one.place, msgspec.json.encode(one.data).decode())
        writer.writerow((format_time(one.at), *map(no_formula, cells)))
    return out.getvalue()
