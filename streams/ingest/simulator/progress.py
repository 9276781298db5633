"""How much of the history has been sent, on a terminal; silent anywhere else."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class HistoryBar:
    """A bar over ``span`` ms of history, on standard error, gone when it is full."""

    def __init__(self, span: int, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal or span <= 0,
        )
        self._task = self._bar.add_task("sending history", total=max(span, 1))

    def reached(self, ms: int) -> None:
        """So much of the span is sent."""
        self._bar.update(self._task, completed=ms)

    def __enter__(self) -> HistoryBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
