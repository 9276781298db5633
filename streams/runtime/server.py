"""A broker as a child process: started, asked until it answers, stopped; the common part of both brokers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from streams.errors import BrokerError
from streams.runtime import ports
from streams.runtime.supervisor import PartError, ProcessPart, Supervisor

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class BrokerProcess:
    """A broker that this process starts and stops; use as a context manager.

    ``part`` is the broker as a part of a :class:`~streams.runtime.supervisor.Supervisor`. The child ends with
    the thread that started it (see :mod:`streams.runtime.guard`): start it from one that lasts.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        host: str,
        port: int,
        cluster_id: str,
        log: Path,
        *,
        setting: str,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        if host not in LOOPBACK:
            raise BrokerError(f"{host}:{port}: the {name} listens on loopback only (expected 127.0.0.1)")
        self.host, self.port, self.cluster_id, self.log = host, port, cluster_id, log
        self._setting, self._prepare = setting, prepare
        self.part = ProcessPart(
            name=name,
            argv=argv,
            is_ready=lambda: answers(self.bootstrap, cluster_id),
            essential=True,
            log=log,
            ready_within=60.0,
            stop_within=15.0,
        )

    @property
    def bootstrap(self) -> str:
        """The address clients connect to."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self.part.pid

    def start(self, timeout: float = 60.0) -> Self:
        """Start it and return once it has answered a metadata request.

        Raises :class:`BrokerError` when the port is in use, or the broker ends or does not answer within
        ``timeout`` seconds; the message has its last line of output and names the log.
        """
        self._require_port(self.port)
        self._prepare()
        self.part.ready_within = timeout
        try:
            Supervisor([self.part], say=lambda _: None).start()
        except PartError as error:
            self.part.stop()
            raise BrokerError(f"{error} (all it said is in {self.log})") from None
        except BaseException:
            self.part.stop()
            raise
        return self

    def stop(self) -> None:
        """Ask it to end and wait; kill it when it does not. Harmless when it is not running."""
        self.part.stop()

    def kill(self) -> None:
        """End it as a power cut would, without a chance to tidy up."""
        if (pid := self.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        self.part.stop()

    def __enter__(self) -> Self:
        return self.start() if self.pid is None else self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _require_port(self, port: int) -> None:
        if not ports.is_free(self.host, port):
            raise BrokerError(
                f"{self.host}:{port}: in use{_by_whom(port)}; stop what listens there, or choose another "
                f"address with {self._setting}"
            )


def answers(bootstrap: str, cluster_id: str | None = None) -> bool:
    """Whether a Kafka broker answers a metadata request at ``bootstrap``, and calls its cluster
    ``cluster_id``.
    """
    host, port = ports.split_address(bootstrap)
    try:
        # Refused at once while nothing listens, where a Kafka client would try again for a while.
        socket.create_connection((host, port), timeout=1.0).close()
        client = KafkaAdminClient(
            bootstrap_servers=bootstrap,
            bootstrap_timeout_ms=2_000,
            request_timeout_ms=2_000,
            client_id="daybook-probe",
        )
    except (OSError, KafkaError):
        return False
    try:
        cluster = client.describe_cluster()
    except KafkaError:
        return False
    finally:
        client.close()
    return bool(cluster["brokers"]) and cluster_id in (None, cluster["cluster_id"])


def _by_whom(port: int) -> str:
    """`` by NAME (pid N)`` where the system lets us find out, else nothing."""
    if sys.platform != "linux":
        return ""
    with contextlib.suppress(OSError, ValueError, IndexError):
        inodes = {
            fields[9]
            for table in ("/proc/net/tcp", "/proc/net/tcp6")
            for line in Path(table).read_text().splitlines()[1:]
            if (fields := line.split())[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
        }
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and _holds(process, {f"socket:[{inode}]" for inode in inodes}):
                program = (process / "cmdline").read_bytes().split(b"\0")[0].decode()
                return f" by {Path(program).name} (pid {process.name})"
    return ""


def _holds(process: Path, sockets: set[str]) -> bool:
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(descriptor) in sockets:
                    return True
    return False
