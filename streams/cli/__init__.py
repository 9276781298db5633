"""The ``daybook`` command: one small module per subcommand, nothing heavy imported before it is needed."""

from __future__ import annotations

from streams.cli.commands import cli, main

__all__ = ["cli", "main"]
