"""What commands that replay have in common."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from streams.config import Config
    from streams.history.replay.source import Source


def source_told(config: Config, since: date | None = None, until: date | None = None) -> Source:
    """What there is of the archive of a configuration, days of arrival as in
    :func:`~streams.history.replay.source.source_of`; what is missing of it is said as a warning."""
    from streams.history.replay.source import missing, source_of
    from streams.runtime.archivist import folder_of

    source = source_of(folder_of(config), since, until)
    for line in missing(source):
        click.echo(f"warning: {line}", err=True)
    return source
