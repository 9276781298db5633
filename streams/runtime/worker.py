"""Running a worker in this process, from its start to its end."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from streams.config import Config
from streams.errors import DaybookError
from streams.runtime.app import DaybookApp, create_app
from streams.runtime.client_errors import broker_errors
from streams.runtime.logs import configure_logging
from streams.runtime.memory import settle_allocator

log = structlog.get_logger(__name__)

STOPPED_WITHIN = 12.0
"""Seconds for a worker to stop: to leave its group and close what is open."""
THREADS_END_WITHIN = 2.0
"""Seconds for what runs in threads, such as reading a state, to end after that."""
LOOP_ANSWERS_WITHIN = 3.0
"""Seconds by which the event loop may be late with all that."""
COLLECT_EVERY = 50_000
"""Objects made between two garbage collections. A chunk's events hold no cycles: to walk them again and
again, as Python's default would, took up to half of the worker's time."""


class WorkerError(DaybookError):
    """A worker could not go on."""


def run_worker(config: Config, ready_callback: Callable[[], None] | None = None) -> None:
    """Run a worker in this process, in the foreground, until SIGTERM or SIGINT; a second one ends it at once.

    ``ready_callback`` is called when it has joined its group. Raises :class:`DaybookError` where it cannot
    start or go on. What cannot be stopped in time, since no broker answers, is left, and with it the process: all that
    was told has been recorded.
    """
    settle_allocator()
    configure_logging()
    faulthandler.enable()  # compiled code is at work: where it ends badly, say where
    try:
        import uvloop
    except ImportError:  # not on Windows
        pass
    else:
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # also for the consumer's thread
    runner = asyncio.Runner()
    worker = _Running(config)
    try:
        runner.run(worker.run(ready_callback))
    except BaseException as error:
        if not worker.stopped:
            unforeseen = None if isinstance(error, DaybookError | KeyboardInterrupt) else error
            log.error("worker failed", error=str(error) or type(error).__name__, exc_info=unforeseen)
            _leave(1)
        raise
    else:
        if not worker.stopped:
            _leave(0)
    finally:
        runner.close()
        worker.patience.cancel()


def _leave(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _lose_patience(status: int) -> None:
    log.warning("the event loop does not answer, the worker is left")
    _leave(status)


class _Running:
    """A worker from start to end. ``stopped`` is whether nothing of it is left; ``patience`` ends the process where
    nothing else does."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.stopped = True
        self.patience = threading.Timer(0.0, _lose_patience)

    async def run(self, ready_callback: Callable[[], None] | None) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()

        def asked() -> None:
            if stop.is_set():
                os._exit(1)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked)
        app = create_app(self._config)
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECT_EVERY, 20, 100)

        async def started() -> None:
            log.info("worker ready", group=app.conf.id, broker=self._config.kafka.bootstrap)
            if ready_callback is not None:
                ready_callback()

        app.on_startup_finished = started
        starting = asyncio.ensure_future(app.start())
        starting.add_done_callback(
            lambda task: task.cancelled() or task.exception()
        )  # of no interest when asked to stop
        asked_to_stop = asyncio.ensure_future(stop.wait())
        ended = asyncio.ensure_future(_crash_of(app))
        try:
            await asyncio.wait([starting, asked_to_stop], return_when=asyncio.FIRST_COMPLETED)
            if starting.done() and not stop.is_set():
                with broker_errors(self._config.kafka.bootstrap):
                    starting.result()
                await asyncio.wait([asked_to_stop, ended], return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise WorkerError(f"the worker cannot go on: {ended.result()}")
            log.info("worker stopping")
        finally:
            self._be_patient(0 if stop.is_set() else 1)
            for task in (starting, asked_to_stop, ended):
                task.cancel()
            # Not wait_for(): Faust goes on stopping when it is cancelled, and would be waited for.
            self.stopped = await _within(STOPPED_WITHIN, app.stop()) and await _within(
                THREADS_END_WITHIN, loop.shutdown_default_executor()
            )
            if not self.stopped:
                log.warning("worker did not stop in time, it is left")
        log.info("worker stopped")

    def _be_patient(self, status: int) -> None:
        """Whatever keeps the event loop from going on, as waiting for a thread does, the process ends."""
        within = STOPPED_WITHIN + THREADS_END_WITHIN + LOOP_ANSWERS_WITHIN
        self.patience = threading.Timer(within, _lose_patience, [status])
        self.patience.daemon = True
        self.patience.start()


async def _within(seconds: float, what: Coroutine[Any, Any, None]) -> bool:
    """Whether it came to its end in time, and not by an error."""
    task = asyncio.ensure_future(what)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if not done or task.cancelled():
        return False
    if (error := task.exception()) is not None:
        log.warning("worker did not stop cleanly", error=str(error) or type(error).__name__)
    return error is None


async def _crash_of(app: DaybookApp) -> str:
    await app.wait_until_stopped()
    reason = app.crash_reason
    return f"{type(reason).__name__}: {reason}" if reason is not None else "it was stopped"
