"""Delivering: each message once at a time, nobody waits for anybody else, and of each it is said what became of it."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from detectors.notification.message import Message
from detectors.notification.notices import Notices, Settings
from detectors.notification.quiet import QuietHours
from detectors.notification.text import Text
from streams.runtime.notify.channel import Result, Undelivered
from streams.runtime.notify.deliverer import Deliverer
from streams.runtime.notify.metrics import NotifyMetrics
from tests.support.incidents import HOUR, T0, assessment, incident
from tests.support.receiver import message

NIGHT = T0 + 11 * HOUR


class Fake:
    """Takes messages when it is let; raises what it is given."""

    def __init__(self, name: str, error: Exception | None = None, at_once: int = 1) -> None:
        self.name, self.at_once, self.error = name, at_once, error
        self.taken: list[str] = []
        self.now = self.most = 0
        self.lets = asyncio.Event()
        self.lets.set()
        self.closed = False

    async def send(self, message: Message) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.lets.wait()
        finally:
            self.now -= 1
        if self.error is not None:
            raise self.error
        self.taken.append(message.id)

    async def close(self) -> None:
        self.closed = True


class Delivering:
    def __init__(self, *channels: Fake) -> None:
        self.results: asyncio.Queue[Result] = asyncio.Queue()
        self.registry = CollectorRegistry()
        self.of = Deliverer(channels, self.results.put_nowait, NotifyMetrics(self.registry))

    async def result(self) -> Result:
        return await asyncio.wait_for(self.results.get(), 5.0)

    def counted(self, channel: str, outcome: str) -> float | None:
        return self.registry.get_sample_value("daybook_notifications_total", {"channel": channel, "outcome": outcome})


async def test_what_became_of_a_message_is_reported_and_counted() -> None:
    phone = Fake("phone")
    one = Delivering(phone)
    assert one.counted("phone", "failed") == 0.0
    one.of.offer([message()])
    assert await one.result() == Result("i-1/opened/1", "phone")
    phone.error = Undelivered("HTTP 503")
    one.of.offer([message()])
    assert await one.result() == Result("i-1/opened/1", "phone", "HTTP 503")
    phone.error = Undelivered("HTTP 403", permanent=True)
    one.of.offer([message()])
    assert (await one.result()).permanent
    assert [one.counted("phone", name) for name in ("delivered", "failed", "refused")] == [1.0, 1.0, 1.0]
    last = {"channel": "phone"}
    assert one.registry.get_sample_value("daybook_notification_last_success_timestamp_seconds", last)
    assert one.registry.get_sample_value("daybook_notification_seconds_count", last) == 3.0
    await one.of.close()
    assert phone.closed


async def test_a_message_that_is_on_its_way_is_not_sent_beside_itself() -> None:
    phone = Fake("phone", at_once=4)
    phone.lets.clear()
    one = Delivering(phone)
    for _ in range(3):
        one.of.offer([message(), message()])
        await asyncio.sleep(0)
    assert (phone.now, one.of.under_way) == (1, 1)
    phone.lets.set()
    await one.result()
    assert phone.taken == ["i-1/opened/1"]
    await one.of.close()


async def test_a_message_can_be_offered_again_from_within_the_report_and_is_still_known_to_be_under_way() -> None:
    phone, came = Fake("phone", Undelivered("no")), asyncio.Event()

    def report(result: Result) -> None:
        phone.lets.clear()
        of.offer([message()])
        came.set()

    of = Deliverer([phone], report, NotifyMetrics(CollectorRegistry()))
    of.offer([message()])
    await asyncio.wait_for(came.wait(), 5.0)
    await asyncio.sleep(0)
    of.offer([message()])
    assert of.under_way == 1
    await of.close()


async def test_a_channel_that_hangs_holds_up_no_other_and_takes_no_more_than_it_can() -> None:
    hangs, phone = Fake("hangs", at_once=2), Fake("phone")
    hangs.lets.clear()
    one = Delivering(hangs, phone)
    one.of.offer([message(f"i-{number}", "hangs") for number in range(50)])
    one.of.offer([message()])
    assert (await one.result()).channel == "phone"
    assert hangs.most == 2
    hangs.lets.set()
    assert len({(await one.result()).message for _ in range(50)}) == 50
    assert hangs.most == 2
    await one.of.close()


async def test_what_is_under_way_at_the_end_is_left_and_not_reported() -> None:
    hangs = Fake("hangs")
    hangs.lets.clear()
    one = Delivering(hangs)
    one.of.offer([message("a", "hangs"), message("b", "hangs")])
    await asyncio.sleep(0)
    await asyncio.wait_for(one.of.close(), 5.0)
    assert (one.results.empty(), hangs.closed, one.of.under_way) == (True, True, 0)


async def test_a_fault_of_a_channel_is_a_failure_and_no_channel_is_a_refusal() -> None:
    one = Delivering(Fake("phone", KeyError("x")))
    one.of.offer([message()])
    assert await one.result() == Result("i-1/opened/1", "phone", "a fault of ours (KeyError)", perhaps=True)
    one.of.offer([message(channel="gone")])
    assert await one.result() == Result("i-1/opened/1", "gone", "there is no such channel", permanent=True)
    await one.of.close()


def test_what_waits_is_counted() -> None:
    notices = Notices(
        Settings(channels=("phone",)), Text("EUR", "Europe/Berlin"), QuietHours([[(1320, 1860)]] * 7, "Europe/Berlin")
    )
    registry = CollectorRegistry()
    metrics = NotifyMetrics(registry)
    metrics.watch(["phone"])
    notices.news([incident("i-1", until=NIGHT, assessment=assessment())], NIGHT)
    notices.news([incident("i-2", until=NIGHT, severity="critical", assessment=assessment())], NIGHT)
    notices.due(NIGHT)
    metrics.tell(notices, NIGHT)
    assert registry.get_sample_value("daybook_notifications_pending", {"channel": "phone"}) == 1.0
    assert registry.get_sample_value("daybook_notifications_held") == 1.0
