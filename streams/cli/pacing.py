"""A replay in step with the clock, in a terminal: what is told comes line by line, above how far it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.text import Text

    from streams.config import Config
    from streams.history.replay.engine import News
    from streams.history.replay.telling import Happening

MAX = "max"
_OVER = ("resolved", "retracted", "merged")


class Speed(click.ParamType):
    """How many times faster than it happened (``60x``, ``1x``, ``0.5x``); None for ``max``, as fast as it goes."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float | None:
        if value == MAX:
            return None
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)x?", str(value))
        speed = float(found[1]) if found else 0.0
        if not 0 < speed < 1e9:
            self.fail(f"{value!r}: expected {MAX}, or how many times faster than it happened, like 60x", param, context)
        return speed


class Paced:
    """What goes on the terminal while a replay runs at a speed: standard output gets the lines, and the bar below them
    where it is a terminal."""

    def __init__(self, config: Config, speed: float, total: int, bar: Progress) -> None:
        self._config, self._speed, self._bar = config, speed, bar
        self._task = bar.add_task(f"{speed:g}x", total=total)

    def through(self, whole: Iterator[News]) -> Iterator[News]:
        """Hold news up until their time has come, and tell of them."""
        from streams.history.replay.pace import Pace, paced

        return paced(whole, Pace(self._speed, tick=self._tick), self._tell)

    def progress(self, done: int) -> None:
        """So many records have been fed."""
        self._bar.update(self._task, completed=done)

    def _tick(self, at: int) -> None:
        from streams.cli.incident_pages import moment

        self._bar.update(self._task, description=f"{moment(self._config, at)} at {self._speed:g}x")

    def _tell(self, happening: Happening) -> None:
        self._bar.console.print(line_of(self._config, happening))


def line_of(config: Config, happening: Happening) -> Text:
    """When it is told, what kind of thing it is, what it is about, and more."""
    from rich.text import Text

    from detectors.lookback.matching import Alert
    from streams.cli.alert_table import series_text
    from streams.cli.harmless import printable
    from streams.cli.incident_pages import STYLES, moment

    line = Text().append(f"{moment(config, happening.at)}  ", "dim")
    about = happening.about
    if isinstance(about, Alert):
        line.append(f"{'alert':<13}").append(series_text(about)).append(f": {printable(about.why)}", "dim")
        return line
    one, change = about
    style = "dim" if change.what in _OVER else STYLES[one.severity]
    line.append(f"{change.what:<13}", style).append(printable(f"{one.id}: {one.title}"), style)
    note = "" if change.what in ("opened", "reopened", "worsened") else change.note
    if change.what == "joined":  # what is off of that KPI is said by its alert
        note = note.partition(": ")[0]
    return line.append(printable(f" ({note})"), "dim") if note else line


@contextmanager
def on_terminal(config: Config, speed: float, total: int) -> Iterator[Paced]:
    """Show a replay of ``total`` records while it runs."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        click.echo(f"{total:,} records at {speed:g}x; Ctrl-C stops it", err=True)
        yield Paced(config, speed, total, bar)
