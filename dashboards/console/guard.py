"""What stands before every request: whose name it is under, where it comes from, who makes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from dashboards.console.access import COOKIE, NAME_COOKIE, Access, Person

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SIGN_IN = "/sign-in"
OPEN = ("/healthz", SIGN_IN, "/console/")
"""What is answered without signing in; of a path that ends in a slash all below it."""
_SAFE = ("GET", "HEAD", "OPTIONS")
# NiceGUI writes its components into the page as scripts, and compiles them there.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """ASGI middleware. Behind it ``request.state.person`` is who makes the request, a :class:`Person`.

    Refused are a ``Host`` that is none of ours (403), what changes something or opens a websocket and comes from
    another site (403), and whoever has not signed in: they are sent to do so (303), or told (401).
    """

    def __init__(self, app: App, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._access.answers_to(host):
            return PlainTextResponse("The console does not go by this name.", 403)
        websocket = scope["type"] == "websocket"
        changes = websocket or scope["method"] not in _SAFE
        if changes and not self._access.same_site(host, headers.get("origin")):
            return PlainTextResponse("This comes from another site.", 403)
        cookies = cookies_of(headers.get("cookie", ""))
        person = self._access.person(cookies.get(COOKIE), cookies.get(NAME_COOKIE))
        scope.setdefault("state", {})["person"] = person
        path = str(scope["path"])
        if person is not None or any(path == each or (each.endswith("/") and path.startswith(each)) for each in OPEN):
            return None
        if changes or "text/html" not in headers.get("accept", ""):
            return PlainTextResponse("Sign in first.", 401)
        query = scope["query_string"].decode("latin-1")
        return RedirectResponse(f"{SIGN_IN}?to={quote(path + ('?' + query if query else ''))}", 303)


def cookies_of(header: str) -> dict[str, str]:
    """The cookies of a request; none where they cannot be read."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def person_of(scope: Scope) -> Person:
    """Who makes a request that came through the guard."""
    person = scope["state"]["person"]
    assert isinstance(person, Person)
    return person


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
