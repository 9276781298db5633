"""The ledger: events in any order become lives, by order; what a worklist is written from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

from detectors.casework.lives import Happened, Life, Sort
from streams.events.times import NO_TIME, parse_times
from streams.events.types import ENTITY_OF_TYPE, TYPE_NAMES, BusinessEvent, SourceHeartbeat
from streams.kpis.definitions import Definitions, Entity, Moment

MOST_LIVES = 200_000
"""So many orders are kept; beyond it those go of which nothing was heard for longest. About 1 KB each."""
_MOST_SORTS = 1 << 12
_MOST_VALUES = 1 << 20
_GONE_AT_ONCE = 20
"""One in so many goes when there are too many."""
_CODES = {name: code for code, name in enumerate(TYPE_NAMES)}
_NOTES = {
    "delivery.checkpoint": "status",
    "ticket.replied": "by",
    "ticket.opened": "channel",
    "order.payment_failed": "reason",
    "order.cancelled": "reason",
    "order.refunded": "reason",
    "delivery.failed": "reason",
    "delivery.returned": "reason",
}
_ENDS = frozenset({"order.cancelled", "delivery.delivered", "delivery.returned"})


class Ledger:
    """Lives by subject. The same events give the same lives in whatever order and pieces they come, and however often.

    ``since`` (epoch ms) is from when on events are read: of what had ended before, nothing is known.
    """

    def __init__(self, definitions: Definitions, since: int = 0, most: int = MOST_LIVES) -> None:
        self.definitions = definitions
        self.dimensions = tuple(dimension.name for dimension in definitions.dimensions)
        self.complete_since = since
        """Who has been alive from then on is known; of earlier times some are missing."""
        self.newest = NO_TIME
        """The newest event's time."""
        self.passed_over = 0
        """Events whose time cannot be read or is ahead, or of an order with too many deliveries and tickets."""
        self._most = most
        self._lives: dict[str, Life] = {}
        self._topics: list[str] = []
        self._sorts: list[Sort] = []
        self._sort_numbers: dict[Sort, int] = {}
        self._values: list[tuple[str | None, ...]] = []
        self._value_numbers: dict[tuple[str | None, ...], int] = {}
        self._number_values((None,) * len(self.dimensions))
        # By event type: which fields tell of which dimension, and which moments it may be.
        self._fields: dict[str, list[str | None]] = {}
        self._moments: dict[str, list[Moment]] = {}
        for type_ in TYPE_NAMES:
            told = [dict(dimension.sources).get(type_) for dimension in definitions.dimensions]
            if any(told):
                self._fields[type_] = told
            self._moments[type_] = [moment for moment in definitions.moments.values() if moment.event == type_]

    def __len__(self) -> int:
        return len(self._lives)

    def __iter__(self) -> Iterator[Life]:
        return iter(self._lives.values())

    def get(self, subject: str) -> Life | None:
        """The life of an order, or of a ticket that is about none."""
        return self._lives.get(subject)

    def story(self, life: Life, until: int | None = None) -> list[Happened]:
        """A life's events, in event-time order; up to an instant (epoch ms) where one is given."""
        story = life.story(self._sorts, self._values)
        return story if until is None else [one for one in story if one.time <= until]

    def record(self, place: int) -> str:
        """A place as people write it: ``topic/partition/offset``."""
        return f"{self._topics[place >> 59]}/{place >> 43 & 0xFFFF}/{place & (1 << 43) - 1}"

    def fold(
        self,
        topic: str,
        partition: int,
        offsets: Sequence[int],
        events: Sequence[BusinessEvent | None],
        latest: Sequence[int] | None = None,
    ) -> None:
        """Take in events of a topic's partition, each with its offset; None stands for one that cannot be read.

        ``latest`` (epoch ms) is up to when each may have happened, where that is known: what is dated later comes from
        a wrong clock and is passed over.
        """
        if topic not in self._topics:
            self._topics.append(topic)
        base = self._topics.index(topic) << 59 | partition << 43
        times, bad = parse_times([None if event is None else event.time for event in events])
        promises, bad_promises = parse_times(
            [getattr(event.data, "promised_at", None) if event else None for event in events]
        )
        unreadable = {*bad, *bad_promises}
        if latest is not None:
            unreadable |= {
                at for at, (time, most) in enumerate(zip(times.tolist(), latest, strict=True)) if time > most
            }
        self.passed_over += len(unreadable)
        rows = zip(events, offsets, times.tolist(), promises.tolist(), strict=True)
        for at, (event, offset, time, promise) in enumerate(rows):
            if event is None or at in unreadable:
                continue
            self.newest = max(self.newest, time)
            if not isinstance(event, SourceHeartbeat):
                self._put(event, time, promise, base | offset)
        if len(self._lives) > self._most:
            self._make_room()

    def forget(self, before: int) -> int:
        """Let go of what ended before an instant (epoch ms), and of what has been silent for longer than the
        configuration keeps what is open; how many lives that are."""
        silent = self.newest - self.definitions.keep_open_ms
        gone = [
            subject
            for subject, life in self._lives.items()
            if life.last < silent or (life.last < before and self._has_ended(life))
        ]
        for subject in gone:
            del self._lives[subject]
        self.complete_since = max(self.complete_since, before)
        return len(gone)

    def _has_ended(self, life: Life) -> bool:
        types = life.types
        tickets_over = "ticket.opened" not in types or "ticket.resolved" in types
        order_over = not any(ENTITY_OF_TYPE[type_] != "ticket" for type_ in types) or bool(types & _ENDS)
        return tickets_over and order_over

    def _make_room(self) -> None:
        oldest = sorted(self._lives.values(), key=lambda life: (life.last, life.subject))
        going = oldest[: len(oldest) - self._most + self._most // _GONE_AT_ONCE]
        for life in going:
            del self._lives[life.subject]
        self.complete_since = max(self.complete_since, going[-1].last + 1)

    def _put(self, event: Any, time: int, promise: int, place: int) -> None:
        type_ = str(event.__struct_config__.tag)
        data, family = event.data, ENTITY_OF_TYPE[type_]
        life = self._lives.get(event.subject)
        if life is None:
            life = self._lives[event.subject] = Life(event.subject)
        entity: int | None = 0
        if family != "order":
            kind: Entity = "delivery" if family == "delivery" else "ticket"
            entity = life.entity(kind, data.delivery_id if family == "delivery" else data.ticket_id)
        if entity is None:
            self.passed_over += 1
            return
        digest = blake2b(f"{event.source}\0{event.id}".encode(), digest_size=8).digest()
        key = int.from_bytes(digest, "big", signed=True)
        told = self._fields.get(type_)
        values = (
            0 if told is None else self._number_values(tuple(name and (getattr(data, name) or None) for name in told))
        )
        sort = self._number_sort(type_, data)
        life.put(time, key, sort, _CODES[type_], entity, values, place, promise)
        if type_ == "order.placed":
            ours = data.currency == self.definitions.currency
            life.tell(time, key, data.customer, data.amount if ours else 0)
        elif type_ == "ticket.opened" and data.order_id is None:
            life.tell(time, key, data.customer, 0)

    def _number_sort(self, type_: str, data: object) -> int:
        moments = frozenset(
            moment.name
            for moment in self._moments[type_]
            if all(getattr(data, field) in wanted for field, wanted in moment.where.items())
        )
        note = getattr(data, _NOTES[type_]) or "" if type_ in _NOTES else ""
        sort = Sort(type_, moments, note)
        number = self._sort_numbers.get(sort)
        if number is None and len(self._sorts) >= _MOST_SORTS:
            sort = Sort(type_, moments, "other")
            number = self._sort_numbers.get(sort)
        if number is None:
            number = self._sort_numbers[sort] = len(self._sorts)
            self._sorts.append(sort)
        return number

    def _number_values(self, values: tuple[str | None, ...]) -> int:
        number = self._value_numbers.get(values)
        if number is None:
            if len(self._values) >= _MOST_VALUES:
                return 0
            number = self._value_numbers[values] = len(self._values)
            self._values.append(values)
        return number
