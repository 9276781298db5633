"""Who may look and who may act: at the door, and past it."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from dashboards.console.access import (
    COOKIE,
    PASSWORD,
    READER_PASSWORD,
    SIGNED_IN_S,
    Access,
    AccessError,
    Person,
    is_loopback,
)
from dashboards.console.address import address_of, link_of, listen
from dashboards.console.attempts import MOST_WAITING, Attempts, TooManyAttemptsError
from dashboards.console.guard import HEADERS, Guard
from streams.config.structs import Console
from streams.errors import ConfigError

BASE = "http://127.0.0.1:8080"
FULL, READER = "a long password", "another long one"
ENV = {PASSWORD: FULL, READER_PASSWORD: READER}


def access(tmp_path: Path, host: str = "0.0.0.0", env: dict[str, str] | None = None) -> Access:
    return Access(host, tmp_path, ENV if env is None else env)


class Client:
    """Asks a guarded application, which says who it takes the asker for."""

    def __init__(self, made: Access) -> None:
        def who(request: Request) -> JSONResponse:
            person = request.state.person
            return JSONResponse(None if person is None else [person.name, person.role])

        async def websocket(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.close()

        paths = ("/", "/healthz", "/sign-in", "/console/x.css")
        routes: list[Any] = [Route(path, who, methods=["GET", "POST"]) for path in paths]
        self._app = Guard(Starlette(routes=[*routes, WebSocketRoute("/ws", websocket)]), made)
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self._ask("GET", path, headers)

    def post(self, path: str, **headers: str) -> httpx.Response:
        return self._ask("POST", path, headers)

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url=BASE, cookies=self.cookies) as client:
                return await client.request(method, BASE + path, headers=headers)

        return asyncio.run(ask())

    def websocket(self, **headers: str) -> bool:
        """Whether a websocket is opened."""
        sent: list[str] = []
        given = {"host": "127.0.0.1:8080", **headers}
        if self.cookies:
            given["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        scope = {
            "type": "websocket", "path": "/ws", "raw_path": b"/ws", "query_string": b"", "root_path": "",
            "scheme": "ws",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()], "subprotocols": [],
            "server": ("127.0.0.1", 8080), "client": ("127.0.0.1", 1), "extensions": {},
        }  # fmt: skip
        asyncio.run(self._app(scope, receive, send))
        return "websocket.accept" in sent


def test_on_loopback_nobody_has_to_sign_in_and_the_name_given_is_believed(tmp_path: Path) -> None:
    made = access(tmp_path, "127.0.0.1", {})
    assert made.open
    assert made.person(None, "ann%20b") == Person("ann b", "acts")
    assert Client(made).get("/").status_code == 200


def test_off_loopback_it_does_not_start_without_a_password(tmp_path: Path) -> None:
    for env in ({}, {READER_PASSWORD: READER}):
        with pytest.raises(ConfigError, match=f"set {PASSWORD}"):
            access(tmp_path, "0.0.0.0", env)
    with pytest.raises(ConfigError, match="is the same as"):
        access(tmp_path, env={PASSWORD: FULL, READER_PASSWORD: FULL})
    with pytest.raises(ConfigError, match="too short"):
        access(tmp_path, "0.0.0.0", {PASSWORD: "short"})


def test_a_password_given_on_loopback_is_asked_for_too(tmp_path: Path) -> None:
    made = access(tmp_path, "127.0.0.1")
    assert not made.open
    assert made.person(None) is None


def test_each_password_has_its_role_and_a_wrong_one_none(tmp_path: Path) -> None:
    made = access(tmp_path)
    full, reader = made.sign_in(" Ann\n", FULL), made.sign_in("Bob", READER)
    assert made.person(full) == Person("Ann", "acts")
    assert made.person(reader) == Person("Bob", "reads")
    assert made.sign_in("Eve", "a wrong password") is None
    assert made.sign_in("Eve", "") is None


def test_a_cookie_that_was_tampered_with_or_signed_elsewhere_is_nobody(tmp_path: Path) -> None:
    made = access(tmp_path / "a")
    cookie = made.sign_in("Bob", READER)
    assert cookie is not None
    other = access(tmp_path / "b").sign_in("Bob", FULL)
    # Of the very last letter some bits say nothing.
    changed = f"{cookie[:-2]}{'A' if cookie[-2] != 'A' else 'B'}{cookie[-1]}"
    for bad in (changed, other, "", "x.y.z", "\N{SNOWMAN}"):
        assert made.person(bad) is None
    assert access(tmp_path / "a").person(cookie) == Person("Bob", "reads")  # after a restart


def test_who_signed_in_by_a_password_that_is_no_more_has_to_sign_in_again(tmp_path: Path) -> None:
    cookie = access(tmp_path).sign_in("Bob", READER)
    assert access(tmp_path, env={PASSWORD: FULL}).person(cookie) is None
    assert access(tmp_path, env={PASSWORD: FULL, READER_PASSWORD: "changed meanwhile"}).person(cookie) is None


def test_a_cookie_lasts_two_weeks_whatever_its_owner_is_called_meanwhile(tmp_path: Path) -> None:
    now = [1_000.0]
    made = Access("0.0.0.0", tmp_path, ENV, lambda: now[0])
    cookie = made.sign_in("Bob", READER)
    now[0] += SIGNED_IN_S - 1
    renamed = made.renamed(cookie, "Robert")
    assert made.person(renamed) == Person("Robert", "reads")
    now[0] += 2
    assert made.person(cookie) is None
    assert made.person(renamed) is None
    assert made.renamed(renamed, "Rob") is None


def test_the_key_is_for_its_owner_only(tmp_path: Path) -> None:
    access(tmp_path)
    assert stat.S_IMODE((tmp_path / "console.key").stat().st_mode) == 0o600
    (tmp_path / "console.key").write_bytes(b"short")
    with pytest.raises(AccessError, match="is no key"):
        access(tmp_path)


def test_who_has_not_signed_in_is_sent_to_do_so_and_programs_are_told(tmp_path: Path) -> None:
    client = Client(access(tmp_path))
    answer = client.get("/?a=1", accept="text/html")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?to=/%3Fa%3D1")
    assert client.get("/").status_code == 401
    assert client.post("/").status_code == 401
    for path in ("/healthz", "/sign-in", "/console/x.css"):
        assert client.get(path).status_code == 200


def test_the_door_is_not_opened_by_a_path_that_looks_like_an_open_one(tmp_path: Path) -> None:
    client = Client(access(tmp_path))
    for path in ("/healthz/x", "/sign-in/../", "/consoleX", "/healthzz", "//healthz/"):
        assert client.get(path).status_code == 401


def test_a_signed_cookie_lets_in_with_its_role(tmp_path: Path) -> None:
    made = access(tmp_path)
    client = Client(made)
    client.cookies[COOKIE] = str(made.sign_in("Bob", READER))
    assert client.get("/").json() == ["Bob", "reads"]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://[", "", "https://127.0.0.1.evil.example"]
)
def test_what_comes_from_another_site_changes_nothing(tmp_path: Path, origin: str) -> None:
    client = Client(access(tmp_path, "127.0.0.1", {}))
    assert client.post("/", origin=origin).status_code == 403
    assert client.post("/", origin="http://127.0.0.1:8080").status_code == 200


def test_a_websocket_from_another_site_or_of_somebody_unknown_is_not_opened(tmp_path: Path) -> None:
    client = Client(access(tmp_path, "127.0.0.1", {}))
    assert client.websocket()
    assert client.websocket(origin="http://127.0.0.1:8080")
    assert not client.websocket(origin="http://evil.example")
    assert not client.websocket(origin="http://evil.example", host="evil.example")
    made = access(tmp_path)
    client = Client(made)
    assert not client.websocket(origin="http://127.0.0.1:8080")
    client.cookies[COOKIE] = str(made.sign_in("Bob", READER))
    assert client.websocket(origin="http://127.0.0.1:8080")
    assert not client.websocket(origin="http://evil.example")


def test_another_sites_name_that_points_here_is_not_answered(tmp_path: Path) -> None:
    client = Client(access(tmp_path, "127.0.0.1", {}))
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[::1", "[x]", ""):
        assert client.get("/", host=host).status_code == 403
    for host in ("localhost:8080", "127.0.0.1", "[::1]:8080"):
        assert client.get("/", host=host).status_code == 200


def test_behind_a_proxy_it_goes_by_the_proxys_name_if_one_has_to_sign_in(tmp_path: Path) -> None:
    made = access(tmp_path, "127.0.0.1")
    client = Client(made)
    client.cookies[COOKIE] = str(made.sign_in("Bob", READER))
    assert client.websocket(host="ops.example", origin="https://ops.example")
    assert not client.websocket(host="ops.example", origin="https://evil.example")


def test_every_answer_says_that_nothing_may_come_from_elsewhere(tmp_path: Path) -> None:
    made = access(tmp_path)
    for answer in (Client(made).get("/healthz"), Client(made).get("/")):
        for name, text in HEADERS.items():
            assert answer.headers[name] == text
    assert "default-src 'self'" in HEADERS["content-security-policy"]


async def test_each_wrong_password_makes_the_next_wait_longer_and_a_right_one_ends_it() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    attempts = Attempts(sleep)
    for _ in range(9):
        assert await attempts.of("a", lambda: None) is None
    assert waited == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert await attempts.of("b", lambda: "in") == "in"  # another address does not wait
    assert await attempts.of("a", lambda: "in") == "in"
    waited.clear()
    assert await attempts.of("a", lambda: None) is None
    assert waited == []


async def test_guesses_made_at_once_come_one_after_the_other_and_no_more_than_a_few_wait() -> None:
    go = asyncio.Event()
    tried: list[int] = []

    async def sleep(_: float) -> None:
        await go.wait()

    attempts = Attempts(sleep)
    await attempts.of("a", lambda: None)
    waiting = [asyncio.create_task(attempts.of("a", lambda n=n: tried.append(n))) for n in range(MOST_WAITING)]  # type: ignore[misc]
    await asyncio.sleep(0)
    with pytest.raises(TooManyAttemptsError):
        await attempts.of("a", lambda: "in")
    assert tried == []
    go.set()
    await asyncio.gather(*waiting)
    assert tried == list(range(MOST_WAITING))


def test_a_port_in_use_is_passed_over() -> None:
    first, port = listen(Console(port=_free()))
    second, other = listen(Console(port=port))
    assert other > port
    first.close()
    second.close()


def _free() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_link_is_given_only_where_those_who_get_it_can_open_it() -> None:
    assert (
        link_of("127.0.0.1", 8080) == link_of("localhost", 8080) == link_of("0.0.0.0", 8080) == link_of("::", 1) == ""
    )
    assert link_of("ops.example", 8080) == "http://ops.example:8080/incidents/{id}"
    assert address_of("::", 8080) == "http://127.0.0.1:8080/"
    assert address_of("fd00::1", 8080) == "http://[fd00::1]:8080/"


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "10.0.0.1", "localhost.evil.example", "", "127.0.0.1.nip.example")))
