"""The ``daybook`` command: one small module per subcommand, nothing heavy imported before it is needed."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.cli.commands import cli

__all__ = ["cli", "main"]

_WITH_VALUE = ("--config", "--namespace")


def main() -> None:
    """The entry point."""
    if _command(sys.argv[1:]) == "worker":
        # Until the worker is there to stop, which takes some seconds, nothing has begun that must be ended well.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    from streams.cli.commands import main as run

    run()


def _command(words: Sequence[str]) -> str:
    """Which subcommand is meant, before there is anything that could parse it."""
    rest = iter(words)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            return word
    return ""


def __getattr__(name: str) -> Any:
    if name != "cli":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from streams.cli.commands import cli

    return cli
