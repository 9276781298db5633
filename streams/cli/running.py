"""What ``daybook run`` does: choose the ports, start the parts, show the KPIs, stop everything."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence

import click

from streams.cli.settings import Settings
from streams.config import Config
from streams.errors import BrokerError
from streams.runtime.instance import Instance, announce
from streams.runtime.ports import next_free, require_reachable, split_address
from streams.runtime.supervisor import Part, ProcessPart, Supervisor

SUMMARY_EVERY = 5.0
NOTICE_FOR = 60.0
LOOK_BACK = 2 * 86_400_000


class Run:
    """One run. ``simulator`` are the arguments of ``daybook simulate``, or ``None`` to go without; ``table``
    shows the live table, else log lines and a summary come out; ``archive`` is whether events are kept for good,
    ``console`` whether there is a web page.

    Raises :class:`DaybookError` where something it cannot do without fails.
    """

    def __init__(
        self,
        settings: Settings,
        simulator: Sequence[str] | None,
        *,
        table: bool,
        archive: bool,
        console: bool,
    ) -> None:
        self._settings = settings
        self._console = console
        self._archive = archive
        self._simulator = simulator
        self._table = table
        self._drawing = False
        self._notices: deque[tuple[float, str]] = deque(maxlen=3)
        self._choose_ports()
        self._config = settings.load()
        self._folder = self._config.data_dir
        self._logs = self._folder / "logs" / self._config.namespace
        self._broker, self._worker, self._archivist, self._shop = self._parts()
        self._page = self._page_part() if console else None
        all_parts = (self._broker, self._worker, self._page, self._archivist, self._shop)
        parts = [part for part in all_parts if part is not None]
        self._supervisor = Supervisor(parts, self._say)

    def go(self) -> None:
        """Run until asked to stop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._supervisor.ask_stop)
        begun = time.monotonic()
        try:
            self._start()
            if not self._supervisor.stopping:
                click.echo(f"everything answers after {time.monotonic() - begun:.1f} s; Ctrl-C stops it")
                self._show()
        finally:
            click.echo("stopping …")
            self._supervisor.stop()
        click.echo(f"stopped; logs are in {self._logs}")

    def _say(self, line: str) -> None:
        self._notices.append((time.monotonic(), line))
        if not self._drawing:
            click.echo(line)

    def _choose_ports(self) -> None:
        config = self._settings.load()
        taken: set[int] = set()
        overrides = self._settings.overrides
        if config.kafka.embedded:
            if "," in config.kafka.bootstrap:
                raise BrokerError(
                    f"kafka.bootstrap: {config.kafka.bootstrap}: the embedded broker has one address "
                    "(kafka.embedded: false for a broker of your own)"
                )
            host, wanted = split_address(config.kafka.bootstrap)
            port = next_free(host, wanted)
            taken.add(port)
            overrides["DAYBOOK_BOOTSTRAP"] = f"{host}:{port}"
            overrides["DAYBOOK_EMBEDDED"] = "true"  # a named broker is otherwise taken for one of the user's own
            if port != wanted:
                click.echo(f"port {wanted} is in use: the broker takes {port}")
        worker = config.worker
        port = next_free(worker.metrics_host, worker.metrics_port, taken)
        overrides["DAYBOOK_METRICS_PORT"] = str(port)
        if port != worker.metrics_port:
            click.echo(f"port {worker.metrics_port} is in use: the worker's metrics take {port}")
        if self._console:
            self._choose_console_port(config, taken | {port})

    def _choose_console_port(self, config: Config, taken: set[int]) -> None:
        from dashboards.console.address import link_of

        console, overrides = config.console, self._settings.overrides
        port = next_free(console.host, console.port, taken)
        overrides["DAYBOOK_CONSOLE_PORT"] = str(port)
        if port != console.port:
            click.echo(f"port {console.port} is in use: the console takes {port}")
        link = link_of(console.host, port)
        if link and not config.notify.link:
            overrides["DAYBOOK_LINK"] = link

    def _parts(self) -> tuple[Part | None, Part, Part | None, Part | None]:
        from streams.runtime.status import is_worker, metrics_url

        config = self._config
        broker: Part | None = None
        if config.kafka.embedded:
            from streams.runtime.broker import EmbeddedBroker

            host, port = split_address(config.kafka.bootstrap)
            broker = EmbeddedBroker(self._logs, port, host).part
        live = self._child("worker", ["worker"], lambda: is_worker(metrics_url(config)))
        live.restart, live.ready_within, live.stop_within = True, 60.0, 20.0
        archivist: ProcessPart | None = None
        if self._archive:
            archivist = self._child("archivist", ["archive", "run"])
            archivist.restart, archivist.stop_within = True, 15.0
        shop = None if self._simulator is None else self._child("simulator", ["simulate", *self._simulator])
        return broker, live, archivist, shop

    def _page_part(self) -> Part:
        from dashboards.console.access import Access

        config = self._config
        # Said now in one line, and not by a part that ends again and again.
        Access(config.console.host, self._folder / "console", self._settings.environment)
        page = self._child("console", ["console"])
        page.restart, page.stop_within = True, 10.0
        return page

    def _child(self, name: str, arguments: Sequence[str], is_ready: Callable[[], bool] = lambda: True) -> ProcessPart:
        command = [sys.executable, "-m", "streams.cli"]
        if self._settings.path is not None:
            command += ["--config", str(self._settings.path)]
        return ProcessPart(
            name,
            [*command, *arguments],
            is_ready,
            log=self._logs / f"{name}.log",
            on_line=None if self._table else lambda line: click.echo(f"{name:9} | {line}"),
            environment=self._settings.environment,
        )

    def _start(self) -> None:
        supervisor, config = self._supervisor, self._config
        if self._broker is not None:
            supervisor.start([self._broker])
        if supervisor.stopping:
            return
        require_reachable(config.kafka.bootstrap)
        from streams.runtime.status import metrics_url
        from streams.runtime.topics import create_topics

        created = create_topics(config)
        where = "embedded, in memory" if config.kafka.embedded else "your own"
        click.echo(f"broker     {config.kafka.bootstrap} ({where}), {len(created)} topics created")
        supervisor.start([self._worker])
        if supervisor.stopping:
            return
        click.echo(f"worker     {metrics_url(config)}")
        announce(
            self._folder,
            Instance(
                pid=os.getpid(),
                namespace=config.namespace,
                bootstrap=config.kafka.bootstrap,
                metrics=f"{config.worker.metrics_host}:{config.worker.metrics_port}",
            ),
        )
        if self._page is not None:
            from dashboards.console.address import address_of

            supervisor.start([self._page])
            click.echo(f"console    {address_of(config.console.host, config.console.port)}")
        if self._archivist is not None:
            from streams.runtime.archivist import folder_of

            supervisor.start([self._archivist])
            click.echo(f"archive    {folder_of(config)}")
        if self._shop is not None:
            supervisor.start([self._shop])
            click.echo("simulator  a shop that does not exist sends events")

    def _show(self) -> None:
        from rich.console import Console

        from streams.top.board import Board
        from streams.top.catalog import Catalog
        from streams.top.feed import KpiFeed
        from streams.top.probe import Probe
        from streams.top.rows import Choice
        from streams.top.screen import View, summary, watch

        config, board, catalog = self._config, Board(), Catalog.from_config(self._config)
        with KpiFeed(config, board, LOOK_BACK) as feed, Probe(config, board) as probe:
            view = View(
                board,
                catalog,
                Choice(),
                config.business.timezone,
                behind=probe.behind,
                notes=probe.notes,
                warnings=lambda: [*probe.warnings(), *self._recent()],
                footer=self._footer,
            )
            if self._table:
                self._drawing = True
                try:
                    watch(view, feed, Console(highlight=False), self._tend)
                finally:
                    self._drawing = False
                return
            told = time.monotonic()
            while self._tend():
                feed.poll(0.2)
                if time.monotonic() - told >= SUMMARY_EVERY:
                    told = time.monotonic()
                    click.echo(summary(view))

    def _tend(self) -> bool:
        self._supervisor.tend()
        return not self._supervisor.stopping

    def _recent(self) -> list[str]:
        now = time.monotonic()
        return [line for at, line in self._notices if now - at < NOTICE_FOR]

    def _footer(self) -> list[str]:
        states: dict[str, list[str]] = {}
        for part in self._supervisor.parts:
            states.setdefault(self._supervisor.state(part), []).append(part.name)
        told = "; ".join(f"{', '.join(names)} {state}" for state, names in states.items())
        return [f"Ctrl-C stops everything · {told} · logs: {self._logs}"]
