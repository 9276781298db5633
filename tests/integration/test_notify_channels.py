"""Channels against receivers on this machine: what they take, refuse, and do not answer."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from standardwebhooks import Webhook as Verifier

from detectors.notification.message import Alert
from streams.config import Config, load_config
from streams.errors import ConfigError
from streams.runtime.notify import people, web
from streams.runtime.notify.channel import Undelivered
from streams.runtime.notify.channels import channels_of, notices_of
from streams.runtime.notify.people import Apprise
from streams.runtime.notify.signing import key_of
from streams.runtime.notify.web import Alertmanager, Webhook
from tests.integration.conftest import free_port
from tests.support.incidents import T0
from tests.support.receiver import Receiver, message

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = await Receiver().start()
    yield found
    await found.close()


async def undelivered(channel: web._Web | Apprise, **more: object) -> Undelivered:
    with pytest.raises(Undelivered) as caught:
        await channel.send(message(**more))  # type: ignore[arg-type]
    await channel.close()
    return caught.value


async def test_a_webhook_is_signed_so_that_others_can_tell(receiver: Receiver) -> None:
    channel = Webhook("hook", f"{receiver.url}/daybook", key_of(SECRET))
    await channel.send(message())
    await channel.close()
    (request,) = receiver.requests
    said = Verifier(SECRET).verify(request.body, request.headers)
    assert request.headers["webhook-id"] == "i-1/opened/1"
    assert request.headers["content-type"] == "application/json"
    assert said == {
        "type": "incident.opened",
        "timestamp": "2026-11-03T11:00:00.000Z",
        "data": {
            "incidents": ["i-1"],
            "severity": "warning",
            "title": "On time ratio lower than usual",
            "text": "60 % instead of 94 %.",
            "impact": "",
            "link": "http://127.0.0.1:8080/incidents/i-1",
            "runbook": "docs/runbook.md#delivery",
        },
    }


async def test_alertmanager_gets_alerts_in_the_form_of_its_api(receiver: Receiver) -> None:
    channel = Alertmanager("alertmanager", f"{receiver.url}/alerts/")
    alert = Alert({"alertname": "A"}, {"summary": "s"}, T0, T0 + 1, "http://x/y")
    await channel.send(message(alert=alert))
    await channel.close()
    assert receiver.requests[0].json == [
        {
            "labels": {"alertname": "A"},
            "annotations": {"summary": "s"},
            "startsAt": "2026-11-03T11:00:00.000Z",
            "endsAt": "2026-11-03T11:00:00.001Z",
            "generatorURL": "http://x/y",
        }
    ]


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(302, True), (400, True), (401, True), (410, True), (408, False), (429, False), (500, False), (503, False)],
)
async def test_what_is_refused_is_not_tried_again_and_what_cannot_be_done_now_is(
    receiver: Receiver, status: int, permanent: bool
) -> None:
    receiver.status = status
    error = await undelivered(Webhook("hook", receiver.url, key_of(SECRET)))
    assert (error.error, error.permanent, error.perhaps) == (f"HTTP {status} (no)", permanent, False)
    if status != 302:
        error = await undelivered(Apprise("phone", receiver.url.replace("http", "json")))
        assert (error.error, error.permanent) == (f"JSON: status {status}", permanent)


async def test_who_does_not_listen_is_tried_again() -> None:
    port = free_port()
    error = await undelivered(Webhook("hook", f"http://127.0.0.1:{port}", key_of(SECRET)))
    assert (error.permanent, error.perhaps) == (False, False)
    assert error.error.startswith("no connection")
    error = await undelivered(Apprise("phone", f"json://127.0.0.1:{port}"))
    assert (error.error, error.permanent, error.perhaps) == ("JSON: no connection, or refused", False, False)


@pytest.mark.parametrize("kind", ["webhook", "apprise"])
async def test_who_hangs_is_given_up_in_time_and_may_have_got_it(
    receiver: Receiver, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "WITHIN", 0.5)
    monkeypatch.setattr(people, "WITHIN", 0.5)
    receiver.seconds = 60.0
    channel = (
        Webhook("hook", receiver.url, key_of(SECRET))
        if kind == "webhook"
        else Apprise("phone", f"{receiver.url.replace('http', 'json')}?rto=2")
    )
    began = time.monotonic()
    error = await undelivered(channel)
    assert 0.4 < time.monotonic() - began < 5.0
    assert (error.error, error.permanent, error.perhaps) == ("no answer within 0.5 s", False, True)
    assert len(receiver.requests) == 1
    if isinstance(channel, Apprise):
        # The thread has not come back: no second one is begun.
        again = await undelivered(channel)
        assert (again.error, again.perhaps) == ("the message before has not come back yet", False)
        assert channel._thread is not None
        channel._thread.join(10.0)


async def test_apprise_that_is_not_answered_in_its_own_time_says_that_it_may_have_arrived(receiver: Receiver) -> None:
    receiver.seconds = 60.0
    error = await undelivered(Apprise("phone", f"{receiver.url.replace('http', 'json')}?rto=0.3"))
    assert (error.error, error.perhaps) == ("JSON: no connection, or refused", True)


async def test_apprise_tells_what_there_is_to_tell_and_no_secret_to_the_log(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: logged.append(record.getMessage()))
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    channel = Apprise("phone", f"{receiver.url.replace('http', 'json')}/s3cr3t")
    await channel.send(message(severity="critical"))
    await channel.close()
    said = receiver.requests[0].json
    assert (said["title"], said["type"]) == ("On time ratio lower than usual", "failure")
    assert said["message"].splitlines() == [
        "60 % instead of 94 %.",
        "Details: http://127.0.0.1:8080/incidents/i-1",
        "First steps: docs/runbook.md#delivery",
    ]
    assert "s3cr3t" not in "".join(logged)


# -- from the configuration -----------------------------------------------------------------------------------------


def configured(tmp_path: Path, text: str) -> Config:
    (tmp_path / "daybook.yaml").write_text(f"notify: {text}\n")
    return load_config(tmp_path / "daybook.yaml", {})


ALL = (
    "{alertmanager: env:AM, apprise: [env:PHONE, 'json://127.0.0.1:9/x'], "
    "webhooks: [{url: 'http://127.0.0.1:9/s3cr3t', secret_env: KEY}]}"
)
ENV = {"AM": "http://127.0.0.1:9193", "PHONE": "json://127.0.0.1:8/s3cr3t", "KEY": SECRET}


async def test_channels_and_notices_have_the_same_names_and_no_secret_in_them(tmp_path: Path) -> None:
    config = configured(tmp_path, ALL)
    names = [one.name for one in channels_of(config, ENV)]
    assert names[:2] == ["alertmanager", "apprise:PHONE"]
    assert names[2].startswith("apprise:json-")
    assert names[3].startswith("webhook:127.0.0.1-")
    settings = notices_of(config)._settings
    assert [settings.alertmanager, *settings.channels] == names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"AM": ""}, "notify.alertmanager: the environment variable AM is not set"),
        ({"AM": "s3cr3t"}, "notify.alertmanager: what AM holds is no address"),
        (
            {"PHONE": "jsn://s3cr3t"},
            "notify.apprise[0]: what PHONE holds is no URL that Apprise can use; it begins with",
        ),
        ({"KEY": "s3cr3t"}, "notify.webhooks[0].secret_env: KEY does not begin with whsec_; make one with"),
        ({"KEY": "whsec_czNjcjN0"}, "notify.webhooks[0].secret_env: KEY has a key of 6 bytes (expected 24 to 64)"),
        ({"KEY": "whsec_s3cr3t!"}, "notify.webhooks[0].secret_env: KEY has something after whsec_ that is not base64"),
    ],
)
def test_what_the_environment_has_not_is_an_error_that_names_it_and_tells_no_secret(
    tmp_path: Path, change: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        channels_of(configured(tmp_path, ALL), ENV | change)
    assert str(caught.value).startswith(message)
    assert "s3cr3t" not in str(caught.value)
