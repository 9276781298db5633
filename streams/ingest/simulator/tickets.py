"""A support ticket's life: it waits for an agent, goes back and forth, ends, sometimes comes again, and
is rated."""

from __future__ import annotations

from math import log2
from typing import Literal

from streams.events.types import (
    OpenedData,
    RatedData,
    ReopenedData,
    RepliedData,
    ResolvedData,
    TicketOpened,
    TicketRated,
    TicketReopened,
    TicketReplied,
    TicketResolved,
)
from streams.ingest.simulator.draws import Quantiles, Shares, uniform
from streams.ingest.simulator.localtime import DAY, HOUR, MINUTE, LocalDays
from streams.ingest.simulator.order import Order
from streams.ingest.simulator.refunds import Refunds
from streams.ingest.simulator.settings import HELPDESK_SOURCE
from streams.ingest.simulator.stations import Desk
from streams.ingest.simulator.world import World

QUEUES = {
    "where_is_my_order": "shipping",
    "late_delivery": "shipping",
    "damaged": "returns",
    "wrong_item": "returns",
    "return": "returns",
    "payment": "payments",
    "product_question": "sales",
    "website": "sales",
}
"""Topic → the queue its tickets wait in."""

HOURS_PER_TICKET = 0.2
"""Agent hours an average ticket takes; the desk is staffed by it."""

_CHANNEL, _EFFORT, _BOT, _BOT_DELAY, _DIRECT, _ANSWERS, _ANSWER_DELAY, _CLOSE = range(1, 9)
_REOPEN, _REOPEN_DELAY, _RATE, _RATE_DELAY, _MOOD, _ATTENTION, _PRIORITY, _PAID_BACK = range(9, 17)
_AGAIN = 64

_EFFORT_OF = Quantiles.lognormal(6.4 * MINUTE, 0.65)
_ATTENTION_OF = {
    "email": Quantiles.lognormal(24 * MINUTE, 0.8),
    "chat": Quantiles.lognormal(1.5 * MINUTE, 0.6),
    "phone": Quantiles.lognormal(1.0 * MINUTE, 0.6),
}
_CUSTOMER_ANSWERS = {
    "email": Quantiles.lognormal(2.5 * HOUR, 1.0),
    "chat": Quantiles.lognormal(2 * MINUTE, 0.7),
    "phone": Quantiles.lognormal(40 * MINUTE, 1.0),
}
_REOPENS = Quantiles.lognormal(7 * HOUR, 0.9)
_RATES = Quantiles.lognormal(1.2 * HOUR, 1.0)
_MOODS = Quantiles.lognormal(1.0, 0.5)
_PAYS_BACK = {"damaged": 0.6, "wrong_item": 0.35}
_BOT_CAN_ANSWER = ("where_is_my_order", "product_question", "return")
_URGENT = ("payment", "website")
_MOST_ROUNDS = 6
_WAKES, _SLEEPS = 7 * 60, 22 * 60 + 30


def awake(days: LocalDays, ms: int) -> int:
    """``ms``, or when it is night the next morning."""
    minute = days.minute_of(ms)
    if _WAKES <= minute < _SLEEPS:
        return ms
    day = days.day_of(ms) + (1 if minute >= _SLEEPS else 0)
    # Early and late risers, told apart by the instant's own digits.
    return days.at(day, _WAKES + ms % 180)


class Ticket:
    """One conversation; ``waited`` is the time to the first answer by an agent, ms, -1 before it."""

    __slots__ = (
        "channel", "key", "late", "opened", "order", "reopened", "rounds",
        "subject", "ticket_id", "topic", "waited",
    )  # fmt: skip

    def __init__(self, key: int, ticket_id: str, topic: str, order: Order | None) -> None:
        self.key = key
        self.ticket_id = ticket_id
        self.topic = topic
        self.order = order
        self.subject = ticket_id if order is None else order.order_id
        self.channel = ""
        self.opened = 0
        self.waited = -1
        self.rounds = 0
        self.reopened = 0
        self.late = False


class Helpdesk:
    """The agents, the chat bot and the customers' side of the conversation. Steps are ``(ms, ticket)``."""

    def __init__(self, world: World, desk: Desk, refunds: Refunds) -> None:
        self._world = world
        self._desk = desk
        self._refunds = refunds
        self._source = world.sources[HELPDESK_SOURCE]
        self._channels = Shares(world.settings.shop.ticket_channels)

    def open(self, ms: int, ticket: Ticket) -> None:
        world, order, topic = self._world, ticket.order, ticket.topic
        channel = self._channels(uniform(ticket.key, _CHANNEL))
        if channel == "phone" and self._desk.hours.open_from(ms) != ms:
            channel = "email"
        ticket.opened, ticket.channel = ms, channel
        ticket.late = order is not None and QUEUES[topic] == "shipping" and ms > order.promised
        urgent = topic in _URGENT or uniform(ticket.key, _PRIORITY) < 0.08
        world.emit(
            ms,
            self._source,
            TicketOpened(
                id=ticket.ticket_id + ".opened",
                source=HELPDESK_SOURCE,
                time=world.stamp(ms),
                subject=ticket.subject,
                data=OpenedData(
                    ticket_id=ticket.ticket_id,
                    order_id=order.order_id if order else None,
                    customer=order.customer if order else None,
                    channel=channel,
                    topic=topic,
                    priority="high" if urgent else "normal",
                    queue=QUEUES[topic],
                ),
            ),
        )
        if channel == "chat" and uniform(ticket.key, _BOT) < 0.85:
            delay = 2_000 + int(uniform(ticket.key, _BOT_DELAY) * 9_000)
            world.schedule(ms + delay, self._bot_replies, ticket)
        else:
            self._assign(ms, ticket)

    def _bot_replies(self, ms: int, ticket: Ticket) -> None:
        self._reply(ms, ticket, "bot")
        if ticket.topic in _BOT_CAN_ANSWER and uniform(ticket.key, _DIRECT) < 0.3:
            self._world.schedule(ms + 2 * MINUTE, self._resolve, ticket)
        else:
            self._assign(ms, ticket)

    def _assign(self, ms: int, ticket: Ticket) -> None:
        again = _AGAIN * ticket.rounds
        effort = int(_EFFORT_OF(uniform(ticket.key, _EFFORT + again)))
        done = self._desk.assign(ms, effort)
        # Mail is answered between other things; that keeps nobody else waiting.
        attention = int(_ATTENTION_OF[ticket.channel](uniform(ticket.key, _ATTENTION + again)))
        answered = max(done.ms, self._desk.hours.open_from(ms) + attention)
        if done.because is not None and answered == done.ms:
            done.because.touched(done.due, ticket=ticket.ticket_id, events=0)
            done.because.touched(answered, ticket=ticket.ticket_id)
        self._world.schedule(answered, self._agent_replies, ticket)

    def _agent_replies(self, ms: int, ticket: Ticket) -> None:
        if ticket.waited < 0:
            ticket.waited = ms - ticket.opened
        self._reply(ms, ticket, "agent")
        again = _AGAIN * ticket.rounds
        if ticket.rounds >= _MOST_ROUNDS or uniform(ticket.key, _DIRECT + again) < 0.62:
            closing = 20_000 + int(uniform(ticket.key, _CLOSE) * 5 * MINUTE)
            self._world.schedule(ms + closing, self._resolve, ticket)
        elif uniform(ticket.key, _ANSWERS + again) < 0.85:
            wait = _CUSTOMER_ANSWERS[ticket.channel](uniform(ticket.key, _ANSWER_DELAY + again))
            at = ms + 15_000 + int(wait)
            if ticket.channel == "email":
                at = awake(self._world.days, at)
            self._world.schedule(at, self._customer_replies, ticket)
        else:
            self._world.schedule(ms + 3 * DAY, self._resolve, ticket)

    def _customer_replies(self, ms: int, ticket: Ticket) -> None:
        self._reply(ms, ticket, "customer")
        self._assign(ms, ticket)

    def _reply(self, ms: int, ticket: Ticket, by: Literal["agent", "customer", "bot"]) -> None:
        ticket.rounds += 1
        self._world.emit(
            ms,
            self._source,
            TicketReplied(
                id=f"{ticket.ticket_id}.reply{ticket.rounds}",
                source=HELPDESK_SOURCE,
                time=self._world.stamp(ms),
                subject=ticket.subject,
                data=RepliedData(ticket_id=ticket.ticket_id, by=by),
            ),
        )

    def _resolve(self, ms: int, ticket: Ticket) -> None:
        world = self._world
        world.emit(
            ms,
            self._source,
            TicketResolved(
                id=f"{ticket.ticket_id}.resolved{ticket.reopened + 1}",
                source=HELPDESK_SOURCE,
                time=world.stamp(ms),
                subject=ticket.subject,
                data=ResolvedData(ticket_id=ticket.ticket_id),
            ),
        )
        unhappy = 0.09 if ticket.waited > 8 * HOUR or ticket.late else 0.045
        if ticket.reopened < 2 and uniform(ticket.key, _REOPEN + _AGAIN * ticket.reopened) < unhappy:
            delay = MINUTE + int(_REOPENS(uniform(ticket.key, _REOPEN_DELAY + _AGAIN * ticket.reopened)))
            world.schedule(awake(world.days, ms + delay), self._reopen, ticket)
            return
        if uniform(ticket.key, _RATE) < 0.3:
            delay = MINUTE + int(_RATES(uniform(ticket.key, _RATE_DELAY)))
            world.schedule(awake(world.days, ms + delay), self._rate, ticket)
        if ticket.order is not None and uniform(ticket.key, _PAID_BACK) < _PAYS_BACK.get(ticket.topic, 0.0):
            self._refunds.promise(ms, ticket.order, ticket.topic, 1.0 if ticket.topic == "damaged" else 0.5)

    def _reopen(self, ms: int, ticket: Ticket) -> None:
        ticket.reopened += 1
        self._world.emit(
            ms,
            self._source,
            TicketReopened(
                id=f"{ticket.ticket_id}.reopened{ticket.reopened}",
                source=HELPDESK_SOURCE,
                time=self._world.stamp(ms),
                subject=ticket.subject,
                data=ReopenedData(ticket_id=ticket.ticket_id),
            ),
        )
        self._assign(ms, ticket)

    def _rate(self, ms: int, ticket: Ticket) -> None:
        self._world.emit(
            ms,
            self._source,
            TicketRated(
                id=ticket.ticket_id + ".rated",
                source=HELPDESK_SOURCE,
                time=self._world.stamp(ms),
                subject=ticket.subject,
                data=RatedData(ticket_id=ticket.ticket_id, score=_score(ticket)),
            ),
        )


def _score(ticket: Ticket) -> int:
    """1 to 5: patience runs out with the logarithm of the wait, a late parcel or a second round costs
    extra."""
    displeasure = _MOODS(uniform(ticket.key, _MOOD)) - 0.55
    displeasure += 0.42 * log2(1 + max(ticket.waited, 0) / (3 * HOUR))
    displeasure += 0.8 * ticket.reopened + 0.6 * ticket.late
    return max(1, min(5, round(5 - displeasure)))
