"""Other engines at the same work, and how each is started."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

REQUIREMENTS = Path(__file__).parent / "requirements"


class Peer(NamedTuple):
    """An engine in one variant. ``environment`` names the file of its requirements; without one it lives in ours."""

    name: str
    package: str
    module: str
    environment: str | None = None
    variant: str | None = None

    @property
    def requirements(self) -> Path | None:
        """The file of its environment."""
        return None if self.environment is None else REQUIREMENTS / f"{self.environment}.txt"

    @property
    def version(self) -> str:
        """Of the engine, as it is pinned."""
        if self.requirements is None:
            return version(self.package)
        pinned = re.search(rf"^{re.escape(self.package)}==(\S+)", self.requirements.read_text(), re.MULTILINE)
        if pinned is None:
            raise ValueError(f"{self.requirements}: {self.package} is not pinned")
        return pinned.group(1)

    def argv(self, python: Path | None, *arguments: str) -> list[str]:
        """Its command line; see :mod:`tests.benchmarks.peers.job`."""
        words = [*arguments, *([] if self.variant is None else [self.variant])]
        return [str(python or sys.executable), "-m", f"{__name__}.{self.module}", *words]


PEERS = (
    Peer("stock Faust", "faust-streaming", "stock_faust"),
    Peer("Quix Streams, windows", "quixstreams", "quix_streams", "quix-streams", "windows"),
    Peer("Quix Streams, dictionary", "quixstreams", "quix_streams", "quix-streams", "dictionary"),
    Peer("Bytewax", "bytewax", "bytewax_flow", "bytewax"),
)
