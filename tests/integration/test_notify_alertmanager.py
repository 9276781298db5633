"""Incidents on their way through a real Alertmanager, with the routes that come with Daybook, to people."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from detectors.incidents import lifecycle
from detectors.incidents.incident import Incident
from detectors.notification import alerts
from detectors.notification.notices import Notices, Settings
from detectors.notification.quiet import QuietHours
from detectors.notification.text import Text
from streams.runtime.notify.channel import Channel, Result
from streams.runtime.notify.deliverer import Deliverer
from streams.runtime.notify.metrics import NotifyMetrics
from streams.runtime.notify.signing import key_of
from streams.runtime.notify.web import Alertmanager, Webhook
from tests.integration.test_notify_channels import SECRET
from tests.support.incidents import HOUR, assessment, incident, then
from tests.support.monitoring import AlertmanagerProgram
from tests.support.receiver import Receiver, Request

TEXT = Text("EUR", "Europe/Berlin", "http://127.0.0.1:8080/incidents/{id}", "docs/runbook.md")


def now() -> int:
    return round(time.time() * 1000)


class Running:
    """Notices and a deliverer, looked after every twentieth of a second."""

    def __init__(self, *channels: Channel) -> None:
        names = [one.name for one in channels]
        settings = Settings(
            channels=tuple(name for name in names if name != "alertmanager"),
            alertmanager="alertmanager" if "alertmanager" in names else "",
        )
        self.notices = Notices(settings, TEXT, QuietHours(None, "Europe/Berlin"))
        self.results: list[Result] = []
        self._came = asyncio.Event()
        self.of = Deliverer(channels, self._report, NotifyMetrics(CollectorRegistry()))
        self._task = asyncio.create_task(self._run())
        self.longest = 0.0
        """The longest time that the event loop was kept from anything else by a look."""

    def _report(self, result: Result) -> None:
        self.results.append(result)
        self._came.set()
        if result.error:
            self.notices.failed(result.message, result.channel, now(), result.error, result.permanent, result.perhaps)
        else:
            self.notices.told(result.message, result.channel, now())

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            self.of.offer(self.notices.due(now()))
            self.longest = max(self.longest, time.monotonic() - began)
            await asyncio.sleep(0.05)

    async def until(self, holds: Callable[[], bool], within: float = 30.0) -> None:
        """Returns once something holds after a result."""
        async with asyncio.timeout(within):
            while not holds():
                self._came.clear()
                await self._came.wait()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.of.close()


@pytest_asyncio.fixture
async def people() -> AsyncIterator[Receiver]:
    found = await Receiver().start()
    yield found
    await found.close()


@pytest.fixture
def alertmanager(tmp_path: Path, people: Receiver) -> Iterator[AlertmanagerProgram]:
    found = AlertmanagerProgram(tmp_path, people.url)
    yield found
    found.stop()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts are posted every half second, so that a test sees that nothing is told again for it."""
    monkeypatch.setattr(alerts, "EVERY_MS", 500)


def late(name: str = "i-1", **more: object) -> Incident:
    """Late in north, for an hour until now."""
    return incident(name, since=now() - HOUR, until=now(), assessment=assessment(), **more)


def told(requests: list[Request]) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """Where, what of, and severity and status of its alerts."""
    found = []
    for one in requests:
        said = one.json
        each = tuple(sorted((alert["labels"]["severity"], alert["status"]) for alert in said["alerts"]))
        found.append((one.path, said["groupLabels"].get("incident", ""), each))
    return found


FIRES = ("/messages", "i-1", (("warning", "firing"),))
IS_OVER = ("/messages", "i-1", (("warning", "resolved"),))


async def test_an_incident_is_told_once_whatever_becomes_of_it_and_once_that_it_is_over(
    alertmanager: AlertmanagerProgram, people: Receiver
) -> None:
    await alertmanager.start().ready()
    running = Running(Alertmanager("alertmanager", f"http://{alertmanager.address}"))
    one = late()
    running.notices.news([one], now())
    (request,) = await people.until(lambda requests: len(requests) == 1)
    (alert,) = request.json["alerts"]
    assert alert["labels"]["region"] == "north"
    assert alert["annotations"]["runbook_url"] == "docs/runbook.md#delivery"
    assert alert["annotations"]["impact"].startswith("Hits 41 orders")
    assert alert["generatorURL"] == "http://127.0.0.1:8080/incidents/i-1"
    # More is learned, somebody looks after it: it is the same alert, and nobody is told again.
    one = then(one, "explained", now(), scope={"carrier": "postbird"}, title="All is different")
    one = lifecycle.acknowledge(one, now(), "kim")
    running.notices.news([one], now())
    posts = len(running.results)
    await running.until(lambda: len(running.results) >= posts + 6)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{alertmanager.address}/api/v2/alerts") as answer,
    ):
        (known,) = await answer.json()
    assert (known["labels"]["region"], known["annotations"]["acknowledged"]) == ("north", "true")
    assert len(people.requests) == 1
    running.notices.news([lifecycle.resolve(one, now())], now())
    await people.until(lambda requests: len(requests) == 2)
    assert told(people.requests) == [FIRES, IS_OVER]
    assert running.notices.pending("alertmanager") == 0
    await running.close()


async def test_one_that_becomes_critical_pages_and_its_end_is_told_where_it_was(
    alertmanager: AlertmanagerProgram, people: Receiver
) -> None:
    await alertmanager.start().ready()
    running = Running(Alertmanager("alertmanager", f"http://{alertmanager.address}"))
    one = late()
    running.notices.news([one], now())
    await people.until(lambda requests: told(requests) == [FIRES])
    one = then(one, "worsened", now(), severity="critical")
    running.notices.news([one], now())
    pages = ("/pages", "i-1", (("critical", "firing"),))
    await people.until(lambda requests: len(requests) == 3)
    # The warning ends in the route for warnings, saying why, and the page is in that for pages.
    assert sorted(told(people.requests)) == sorted([FIRES, IS_OVER, pages])
    ended = next(one for one in people.requests if told([one]) == [IS_OVER])
    assert ended.json["alerts"][0]["annotations"]["summary"].startswith("Now critical: ")
    running.notices.news([lifecycle.resolve(one, now())], now())
    await people.until(lambda requests: len(requests) == 4)
    assert told(people.requests[3:]) == [("/pages", "i-1", (("critical", "resolved"),))]
    await running.close()


async def test_where_one_is_told_of_all_a_page_and_the_end_of_the_warning_are_one_message(
    alertmanager: AlertmanagerProgram, people: Receiver
) -> None:
    route = "{receiver: all, group_by: [incident], group_wait: 1s, group_interval: 1s, repeat_interval: 24h}"
    alertmanager.configure(
        f"route: {route}\nreceivers: [{{name: all, webhook_configs: [{{url: '{people.url}/all'}}]}}]"
    )
    await alertmanager.start().ready()
    running = Running(Alertmanager("alertmanager", f"http://{alertmanager.address}"))
    one = late()
    running.notices.news([one], now())
    await people.until(lambda requests: len(requests) == 1)
    running.notices.news([then(one, "worsened", now(), severity="critical")], now())
    await people.until(lambda requests: len(requests) == 2)
    assert told(people.requests)[1] == ("/all", "i-1", (("critical", "firing"), ("warning", "resolved")))
    await running.close()


async def test_one_that_is_snoozed_ends_saying_so_and_fires_again_when_it_wakes(
    alertmanager: AlertmanagerProgram, people: Receiver
) -> None:
    await alertmanager.start().ready()
    running = Running(Alertmanager("alertmanager", f"http://{alertmanager.address}"))
    one = late()
    running.notices.news([one], now())
    await people.until(lambda requests: len(requests) == 1)
    asleep = lifecycle.snooze(one, now(), "kim", now() + HOUR)
    running.notices.news([asleep], now())
    await people.until(lambda requests: len(requests) == 2)
    assert people.requests[1].json["alerts"][0]["annotations"]["summary"].startswith("Snoozed until ")
    running.notices.news([lifecycle.wake(asleep, asleep.snoozed_until)], now())
    await people.until(lambda requests: len(requests) == 3)
    assert told(people.requests) == [FIRES, IS_OVER, FIRES]
    await running.close()


async def test_an_incident_of_the_data_silences_those_of_the_same_kpi(
    alertmanager: AlertmanagerProgram, people: Receiver
) -> None:
    await alertmanager.start().ready()
    running = Running(Alertmanager("alertmanager", f"http://{alertmanager.address}"))
    running.notices.news([late("data", kind="pipeline")], now())
    await people.until(lambda requests: len(requests) == 1)
    running.notices.news([late("same")], now())
    await running.until(lambda: any(one.message.startswith("same/") for one in running.results))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{alertmanager.address}/api/v2/alerts") as answer,
    ):
        states = {one["labels"]["incident"]: one["status"]["state"] for one in await answer.json()}
    assert states == {"data": "active", "same": "suppressed"}
    assert told(people.requests) == [("/engineer", "data", (("warning", "firing"),))]
    await running.close()


async def test_while_alertmanager_is_away_others_are_told_and_it_is_told_when_it_is_back(
    alertmanager: AlertmanagerProgram, people: Receiver
) -> None:
    hook = await Receiver().start()
    running = Running(
        Alertmanager("alertmanager", f"http://{alertmanager.address}"), Webhook("hook", hook.url, key_of(SECRET))
    )
    running.notices.news([late()], now())
    await hook.until(lambda requests: len(requests) == 1)
    await running.until(lambda: any(one.channel == "alertmanager" and one.error for one in running.results))
    assert running.notices.pending("alertmanager") == 1
    alertmanager.start()
    await people.until(lambda requests: told(requests) == [FIRES])
    await running.until(lambda: running.notices.pending("alertmanager") == 0)
    assert len(hook.requests) == 1
    assert running.longest < 0.25
    await running.close()
    await hook.close()


async def test_after_a_restart_of_alertmanager_it_knows_all_again_and_nobody_is_told_twice(
    alertmanager: AlertmanagerProgram, people: Receiver
) -> None:
    await alertmanager.start().ready()
    running = Running(Alertmanager("alertmanager", f"http://{alertmanager.address}"))
    one = late()
    running.notices.news([one], now())
    await people.until(lambda requests: len(requests) == 1)
    await asyncio.to_thread(alertmanager.stop)
    await running.until(lambda: any(result.error for result in running.results))
    await alertmanager.start().ready()
    posts = sum(not result.error for result in running.results)
    # More than a group's wait, in which it would be told.
    await running.until(lambda: sum(not result.error for result in running.results) >= posts + 6)
    assert told(people.requests) == [FIRES]
    running.notices.news([lifecycle.resolve(one, now())], now())
    await people.until(lambda requests: len(requests) == 2)
    assert told(people.requests) == [FIRES, IS_OVER]
    await running.close()


async def test_an_alertmanager_that_hangs_or_fails_holds_up_nobody_and_is_told_when_it_is_well() -> None:
    broken, hook = await Receiver().start(), await Receiver().start()
    broken.status, broken.seconds = 500, 1.0
    running = Running(Alertmanager("alertmanager", broken.url), Webhook("hook", hook.url, key_of(SECRET)))
    running.notices.news([late(f"i-{number}") for number in range(8)], now())
    await hook.until(lambda requests: len(requests) == 8, within=5.0)
    await running.until(lambda: any(one.channel == "alertmanager" for one in running.results))
    assert all(one.error == "HTTP 500 (no)" for one in running.results if one.channel == "alertmanager")
    broken.status, broken.seconds = 200, 0.0
    await running.until(lambda: running.notices.pending("alertmanager") == 0)
    heard = {
        re.sub("/.*", "", one.message) for one in running.results if one.channel == "alertmanager" and not one.error
    }
    assert len(heard) == 8
    await running.close()
    await broken.close()
    await hook.close()
