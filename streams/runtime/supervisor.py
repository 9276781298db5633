"""The supervisor: several programs run as one.

It starts the parts in order, each when the one before it answers; restarts those that may be restarted,
with back-off; and stops them in reverse order within a bound. Parts are child processes in process groups
of their own, so that a Ctrl-C reaches the supervisor alone, and bound to its life (see
:mod:`streams.runtime.guard`), so that none is left when it is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from streams.errors import DaybookError
from streams.runtime.guard import guarded
from streams.runtime.logfile import LogFile

Say = Callable[[str], None]

_POLL = 0.05
_KILLED = "was ended by"


class PartError(DaybookError):
    """A part did not start, or one that the others cannot do without has ended."""


class Part(Protocol):
    """Something that can be started, asked and stopped."""

    name: str
    restart: bool
    essential: bool
    ready_within: float
    stop_within: float

    def start(self) -> None: ...
    def ready(self) -> bool: ...
    def ended(self) -> str | None:
        """``None`` while it runs, else how it ended, in words."""

    def stop(self) -> None:
        """Ask it to end, wait up to ``stop_within`` seconds, then kill it. Harmless when it is not
        running."""

    def last_words(self) -> str:
        """The last line it said, for an error message."""


@dataclass
class ProcessPart:
    """A child process.

    ``is_ready`` says whether it answers; ``restart`` whether to start it again when it ends;
    ``essential`` whether the rest is pointless without it. Its output goes line by line to ``log`` (a file,
    begun anew at each start of the supervisor and bounded) and to ``on_line``.
    """

    name: str
    argv: Sequence[str]
    is_ready: Callable[[], bool] = lambda: True
    restart: bool = False
    essential: bool = False
    ready_within: float = 30.0
    stop_within: float = 10.0
    log: Path | None = None
    on_line: Say | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _reader: threading.Thread | None = field(default=None, repr=False)
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=20), repr=False)
    _begun: bool = field(default=False, repr=False)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        self._process = subprocess.Popen(
            guarded(list(self.argv)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.environment},
            process_group=0,
        )
        output = self._process.stdout
        assert output is not None
        self._reader = threading.Thread(target=self._read, args=(output,), name=f"{self.name}-output", daemon=True)
        self._reader.start()

    def ready(self) -> bool:
        return self.is_ready()

    def ended(self) -> str | None:
        code = self._process.poll() if self._process is not None else None
        if code is None:
            return None
        return _in_words(code)

    def stop(self) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            _signal_group(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.stop_within)
        # Also after a clean end: what it started itself is in its group.
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        if self._reader is not None:
            self._reader.join(2.0)
        self._process = None

    def last_words(self) -> str:
        if self._reader is not None:
            self._reader.join(0.5)
        return _plain(next((line for line in reversed(self._tail) if line.strip()), ""))

    def _read(self, output: IO[bytes]) -> None:
        with output, LogFile(self.log, anew=not self._begun) as log:
            self._begun = True
            for raw in output:
                log.write(raw)
                line = raw.decode("utf-8", "replace").rstrip()
                self._tail.append(line)
                if self.on_line is not None:
                    self.on_line(line)


class Supervisor:
    """Runs ``parts`` as one. ``say`` is told what a person should know, one line each."""

    def __init__(
        self,
        parts: Sequence[Part],
        say: Say,
        *,
        first_delay: float = 0.5,
        longest_delay: float = 30.0,
        steady_after: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.parts = list(parts)
        self._say = say
        self._first_delay, self._longest_delay, self._steady_after = first_delay, longest_delay, steady_after
        self._clock = clock
        self._stop = threading.Event()
        self._started: list[Part] = []
        self._since: dict[str, float] = {}
        self._attempts: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._done: set[str] = set()

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop.is_set()

    def ask_stop(self, *_: object) -> None:
        """Make :meth:`start` and :meth:`wait` return soon; usable as a signal handler."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Wait, but not past a request to stop; whether there was one."""
        return self._stop.wait(seconds)

    def state(self, part: Part) -> str:
        """One word for a part: ``waiting``, ``running``, ``restarting`` or ``ended``."""
        if part.name in self._due:
            return "restarting"
        if part.name in self._done:
            return "ended"
        return "running" if part in self._started else "waiting"

    def start(self, parts: Sequence[Part] | None = None) -> None:
        """Start the parts (default: all) in order, each once the one before answers. Returns early when
        asked to stop.

        Raises :class:`PartError` when one ends or does not answer within its bound; what was started is
        then still to be stopped.
        """
        for part in self.parts if parts is None else parts:
            if self.stopping:
                return
            self._started.append(part)
            part.start()
            begun = self._since[part.name] = self._clock()
            while not part.ready():
                how = part.ended()
                if how is not None:
                    raise PartError(f"the {part.name} did not start: it {how}{_words(part, how)}")
                if self._clock() - begun > part.ready_within:
                    raise PartError(f"the {part.name} did not answer within {part.ready_within:g} s{_words(part)}")
                if self.wait(_POLL):
                    return

    def tend(self) -> None:
        """Look after the parts once, without waiting: note what ended, start again what is due.

        Raises :class:`PartError` when an essential part has ended.
        """
        now = self._clock()
        for part in self._started:
            if part.name in self._due:
                if now >= self._due[part.name]:
                    del self._due[part.name]
                    part.start()
                    self._since[part.name] = now
            elif part.name not in self._done and (how := part.ended()) is not None:
                self._ended(part, how, now)

    def stop(self) -> None:
        """Stop everything that was started, in reverse order, each within its bound."""
        self._stop.set()
        while self._started:
            self._started.pop().stop()

    def _ended(self, part: Part, how: str, now: float) -> None:
        if part.essential:
            raise PartError(f"the {part.name} {how}{_words(part, how)}")
        if not part.restart:
            self._done.add(part.name)
            self._say(f"the {part.name} {how}" + ("" if how == "finished" else _words(part, how)))
            return
        if now - self._since[part.name] >= self._steady_after:
            self._attempts[part.name] = 0
        attempt = self._attempts[part.name] = self._attempts.get(part.name, 0) + 1
        delay = min(self._longest_delay, self._first_delay * 2 ** (attempt - 1))
        part.stop()  # what it left in its process group
        self._due[part.name] = now + delay
        self._say(f"the {part.name} {how}{_words(part, how)}; starting it again in {delay:g} s")


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _plain(line: str) -> str:
    """What a line says: of a structured log line its event and its error."""
    try:
        fields = json.loads(line)
        said = [str(fields[name]) for name in ("event", "error") if fields.get(name)]
    except (ValueError, TypeError, AttributeError):
        return line.removeprefix("daybook: ")
    return ": ".join(said) or line


def _in_words(code: int) -> str:
    if code == 0:
        return "finished"
    if code < 0:
        try:
            return f"{_KILLED} {signal.Signals(-code).name}"
        except ValueError:
            return f"{_KILLED} signal {-code}"
    return f"ended with status {code}"


def _words(part: Part, how: str = "") -> str:
    # Who is killed has no time for last words: the last line is about something else.
    words = "" if how.startswith(_KILLED) else part.last_words()
    return f": {words}" if words else ""
