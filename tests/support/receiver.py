"""Something on this machine that messages are posted to: it takes them, refuses them, or hangs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from aiohttp import web

from detectors.notification.message import Message
from tests.support.incidents import T0


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Answers ``status`` to each POST, after ``seconds``; ``requests`` are those that have come."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.status, self.seconds = 200, 0.0
        self.url = ""
        self._came = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> Receiver:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def _take(self, request: web.Request) -> web.Response:
        found = Request(
            request.path, {name.lower(): value for name, value in request.headers.items()}, await request.read()
        )
        async with self._came:
            self.requests.append(found)
            self._came.notify_all()
        await asyncio.sleep(self.seconds)
        return web.Response(status=self.status, text="no" if self.status >= 300 else "")

    async def until(self, holds: Callable[[list[Request]], bool], within: float = 30.0) -> list[Request]:
        """All that came, as soon as something holds of them."""

        async def wait() -> list[Request]:
            async with self._came:
                await self._came.wait_for(lambda: holds(self.requests))
            return self.requests

        return await asyncio.wait_for(wait(), within)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


def message(name: str = "i-1/opened/1", channel: str = "phone", **more: Any) -> Message:
    """That something was opened."""
    given: dict[str, Any] = {
        "id": name, "channel": channel, "news": "opened", "at": T0, "incidents": ("i-1",), "severity": "warning",
        "title": "On time ratio lower than usual", "body": "60 % instead of 94 %.",
        "link": "http://127.0.0.1:8080/incidents/i-1", "runbook": "docs/runbook.md#delivery",
    }  # fmt: skip
    return Message(**given | more)
