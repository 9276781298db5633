"""The console as a web server: pages, signing in, downloads, health."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote

import structlog
import uvicorn
from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from nicegui import core, ui

from dashboards.console import pages
from dashboards.console.access import COOKIE, LONGEST_NAME, NAME_COOKIE, SIGNED_IN_S, named
from dashboards.console.attempts import Attempts, TooManyAttemptsError
from dashboards.console.forms import sign_in_page
from dashboards.console.guard import SIGN_IN, Guard
from dashboards.console.service import Service

log = structlog.get_logger(__name__)
STATIC = Path(__file__).parent / "static"
YEAR_S = 365 * 86_400


def build(service: Service) -> FastAPI:
    """The application; the service begins to read when it starts and ends with it. One of a process: NiceGUI keeps its
    pages for all."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/console", StaticFiles(directory=STATIC), name="console")
    _add_sign_in(app, service)

    @app.get("/healthz")
    async def health() -> JSONResponse:
        error = service.following.error
        return JSONResponse({"reads": not error, "error": error}, 200)

    pages.add(app, service)
    ui.run_with(
        app,
        title="Daybook",
        favicon=STATIC / "icon.svg",
        dark=None,
        language="en-US",
        tailwind=False,
        binding_refresh_interval=None,
        show_welcome_message=False,
    )
    # One way in, and that is guarded.
    core.app.config.socket_io_js_transports = ["websocket"]
    app.add_middleware(Guard, access=service.access)
    return app


class _Server(uvicorn.Server):
    """Ends well when it is asked to: uvicorn would be ended by the signal after all, once everything is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield


def serve(service: Service, listening: socket.socket) -> None:
    """Serve until asked to stop, by a signal."""
    config = uvicorn.Config(
        build(service),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
        # Whoever guesses passwords could name another address with each guess.
        proxy_headers=False,
    )
    _Server(config).run([listening])


def _add_sign_in(app: FastAPI, service: Service) -> None:
    access, attempts = service.access, Attempts()

    @app.get(SIGN_IN, response_class=HTMLResponse)
    def ask(to: str = "/") -> str:
        return sign_in_page(_inside(to))

    @app.post(SIGN_IN)
    async def sign_in(
        request: Request,
        password: str = Form(max_length=1_000),
        name: str = Form("", max_length=1_000),
        to: str = Form("/"),
    ) -> Response:
        address = request.client.host if request.client else ""
        try:
            cookie = await attempts.of(address, lambda: access.sign_in(name, password))
        except TooManyAttemptsError:
            return PlainTextResponse("Too many attempts, wait a minute.", 429)
        if cookie is None:
            log.warning("somebody gave a wrong password", address=address, name=named(name))
            return HTMLResponse(sign_in_page(_inside(to), name, wrong=True), 401)
        answer = RedirectResponse(_inside(to), 303)
        _set(request, answer, COOKIE, cookie, SIGNED_IN_S)
        return answer

    @app.post("/sign-out")
    def sign_out() -> Response:
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
        return answer

    @app.post("/name")
    def name(request: Request, name: str = Form(max_length=LONGEST_NAME), to: str = Form("/")) -> Response:
        answer = RedirectResponse(_inside(to), 303)
        if access.open:
            _set(request, answer, NAME_COOKIE, quote(named(name)), YEAR_S)
        elif (cookie := access.renamed(request.cookies.get(COOKIE), name)) is not None:
            _set(request, answer, COOKIE, cookie, SIGNED_IN_S)
        return answer


def _set(request: Request, answer: Response, name: str, value: str, seconds: int) -> None:
    """Give a cookie, which goes over TLS only where it came so: to us, or to a proxy that says it did."""
    secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", ""))
    answer.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=secure)


def _inside(to: str) -> str:
    """A path of ours to go on to; the first page instead of another site."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() else "/"
