"""Posting JSON: to Alertmanager, and to any program as a signed webhook."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import aiohttp
from msgspec import json

from detectors.notification.message import Alert, Message
from streams.events.times import format_time
from streams.runtime.notify.channel import WITHIN, Undelivered
from streams.runtime.notify.signing import sign

_AGAIN = (408, 425, 429)
"""Answers of the 400s that say: not now."""
_ANSWER_BYTES = 200


class _Web:
    """Posts to one address, of which messages show no more than the host."""

    at_once = 4

    def __init__(self, name: str, url: str) -> None:
        self.name, self._url = name, url
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> None:
        if self._session is None:  # made here, for it belongs to the event loop that runs
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WITHIN, connect=WITHIN / 2))
        try:
            # Who is sent elsewhere has the wrong address; a body with secrets is not to follow.
            async with self._session.post(
                self._url,
                data=body,
                headers={"content-type": "application/json", **headers},
                allow_redirects=False,
            ) as answer:
                if 200 <= answer.status < 300:
                    return
                said = (await answer.content.read(_ANSWER_BYTES)).decode(errors="replace").strip()
                refused = 300 <= answer.status < 500 and answer.status not in _AGAIN
                raise Undelivered(f"HTTP {answer.status}{f' ({said})' if said else ''}", permanent=refused)
        except aiohttp.ClientConnectorError as error:
            raise Undelivered(f"no connection ({error.os_error.strerror or type(error.os_error).__name__})") from None
        except aiohttp.ConnectionTimeoutError:
            raise Undelivered("no connection in time") from None
        except TimeoutError:
            raise Undelivered(f"no answer within {WITHIN:g} s", perhaps=True) from None
        except aiohttp.InvalidURL:
            raise Undelivered("is no address", permanent=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise Undelivered(f"connection broken ({type(error).__name__})", perhaps=True) from None


class Alertmanager(_Web):
    """Alertmanager's API v2. ``url`` is its own, as a browser opens it."""

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name, f"{url.rstrip('/')}/api/v2/alerts")

    async def send(self, message: Message) -> None:
        """Post its alert."""
        if message.alert is None:
            raise Undelivered("is no alert", permanent=True)
        await self._post(json.encode([posted(message.alert)]), {})


class Webhook(_Web):
    """A signed webhook, as Standard Webhooks has it. ``key`` is the secret's bytes; ``clock`` gives epoch seconds."""

    def __init__(self, name: str, url: str, key: bytes, clock: Callable[[], float] = time.time) -> None:
        super().__init__(name, url)
        self._key, self._clock = key, clock

    async def send(self, message: Message) -> None:
        """Post it. It is signed anew each time: receivers refuse what was signed long ago."""
        body = json.encode(payload(message))
        await self._post(body, sign(self._key, message.id, int(self._clock()), body))


def posted(alert: Alert) -> dict[str, object]:
    """An alert as ``postableAlert`` of API v2."""
    found: dict[str, object] = {
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": format_time(alert.starts_at),
        "endsAt": format_time(alert.ends_at),
    }
    return {**found, "generatorURL": alert.link} if alert.link else found


def payload(message: Message) -> dict[str, object]:
    """A message as a webhook's body: ``type``, ``timestamp`` and ``data``."""
    return {
        "type": f"incident.{message.news}",
        "timestamp": format_time(message.at),
        "data": {
            "incidents": message.incidents,
            "severity": message.severity,
            "title": message.title,
            "text": message.body,
            "impact": message.impact,
            "link": message.link,
            "runbook": message.runbook,
        },
    }
