"""Ports: which are free, which to take instead, and whether anything listens."""

from __future__ import annotations

import errno
import socket

from streams.errors import BrokerError

_TRIED = 100


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on ``host:port`` now. Raises :class:`BrokerError` where the address is
    not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Without this, a port whose last connections are still winding down (TIME_WAIT) would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            reason = "ports below 1024 need privileges" if error.errno == errno.EACCES else error.strerror
            raise BrokerError(f"{host}:{port}: cannot listen there ({reason})") from None
    return True


def next_free(host: str, port: int, taken: frozenset[int] | set[int] = frozenset()) -> int:
    """The first free port from ``port`` upwards, leaving out ``taken``. Raises :class:`BrokerError` when
    none of a hundred is free."""
    for candidate in range(port, min(port + _TRIED, 65536)):
        if candidate not in taken and is_free(host, candidate):
            return candidate
    raise BrokerError(f"{host}:{port}: in use, and so are the {_TRIED - 1} ports after it")


def split_address(address: str) -> tuple[str, int]:
    """``host:port`` → its parts. Raises :class:`BrokerError` for anything else."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise BrokerError(f"{address!r} is not an address (expected like 127.0.0.1:9092)")
    return host.strip("[]"), int(port)


def require_reachable(bootstrap: str, timeout: float = 3.0) -> None:
    """Raise :class:`BrokerError` at once where nothing listens on any of the addresses; a Kafka client would
    try again for many seconds."""
    reason = ""
    for address in bootstrap.split(","):
        try:
            socket.create_connection(split_address(address), timeout).close()
            return
        except OSError as error:
            reason = error.strerror or str(error)
    raise BrokerError(f"{bootstrap}: no Kafka broker answers there ({reason.lower()})")
