"""What all subcommands share: the configuration they work with, and the options that choose it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from streams.config import Config

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Settings:
    """Where the configuration comes from; ``overrides`` are environment variables set on top of the real
    ones."""

    path: Path | None = None
    namespace: str | None = None
    overrides: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The environment the configuration is read with, and child processes are started with."""
        environment = {**os.environ, **self.overrides}
        if self.namespace is not None:
            environment["DAYBOOK_NAMESPACE"] = self.namespace
        return environment

    def load(self) -> Config:
        """The validated configuration. Raises ``ConfigError``."""
        from streams.config import load_config

        return load_config(self.path, self.environment)

    def attach(self) -> Config:
        """The configuration, with the addresses of what ``daybook run`` runs in the same data folder, where
        they differ (because a port was in use). An address given in the environment stays."""
        from streams.runtime.instance import running
        from streams.runtime.ports import require_reachable

        config = self.load()
        found = running(config.data_dir, config.namespace)
        if found is not None and not self.environment.get("DAYBOOK_BOOTSTRAP"):
            if found.bootstrap != config.kafka.bootstrap:
                click.echo(f"using the broker that runs here: {found.bootstrap} (pid {found.pid})", err=True)
            self.overrides["DAYBOOK_BOOTSTRAP"] = found.bootstrap
            self.overrides["DAYBOOK_METRICS_PORT"] = found.metrics.rpartition(":")[2]
            config = self.load()
        require_reachable(config.kafka.bootstrap)
        return config


def configured(function: F) -> F:
    """Let a subcommand take ``--config`` and ``--namespace`` too, and pass it the :class:`Settings` first."""

    @click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The configuration file.",
    )
    @click.option("--namespace", help="What all topic names start with.")
    @click.pass_context
    @functools.wraps(function)
    def wrapped(
        context: click.Context, /, *args: Any, config_path: Path | None, namespace: str | None, **options: Any
    ) -> Any:
        settings: Settings = context.obj
        settings.path = config_path or settings.path
        settings.namespace = namespace or settings.namespace
        return function(settings, *args, **options)

    return wrapped  # type: ignore[return-value]


class Duration(click.ParamType):
    """A length of time as people write it (``30s``, ``5m``, ``2w``), in ms."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        from streams.config.readers import parse_span

        try:
            return parse_span(str(value)).ms
        except ValueError as error:
            self.fail(str(error), param, context)


DURATION = Duration()
DAY = click.DateTime(["%Y-%m-%d"])


def example(*lines: str) -> str:
    """An epilog that shows how the command is used; lines stay as they are."""
    return "\b\nFor example:\n" + "\n".join(f"  {line}" for line in lines)
