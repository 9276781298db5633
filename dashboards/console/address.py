"""Where the console listens, and where people find it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from dashboards.console.access import is_loopback
from streams.runtime.ports import next_free

if TYPE_CHECKING:
    from streams.config.structs import Console

EVERYWHERE = ("0.0.0.0", "::")


def listen(console: Console) -> tuple[socket.socket, int]:
    """A socket on the configured port or the next that is free, and which it is. Raises :class:`BrokerError` where none
    is free."""
    family = socket.AF_INET6 if ":" in console.host else socket.AF_INET
    taken: set[int] = set()
    while True:
        port = next_free(console.host, console.port, taken)
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((console.host, port))
        except OSError:  # somebody else was quicker
            listening.close()
            taken.add(port)
            continue
        listening.listen(128)
        return listening, port


def address_of(host: str, port: int) -> str:
    """What a browser on this machine opens."""
    host = "127.0.0.1" if host in EVERYWHERE else host
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def link_of(host: str, port: int) -> str:
    """Where messages can send people to look at an incident, with ``{id}`` in the place of its id.

    Empty where they could not open it: a loopback address is of this machine only, and one that means all says none.
    """
    if host in EVERYWHERE or is_loopback(host):
        return ""
    return f"{address_of(host, port)}incidents/{{id}}"
