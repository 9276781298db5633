"""What ``daybook tune`` has found, as the terminal shows it and as folders keep it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from detectors.tuning.course import Score
    from detectors.watch.settings import Settings
    from streams.history.tuning.parts import Prepared
    from streams.history.tuning.search import Tried, Tuned


def show(found: Tuned) -> None:
    """The settings side by side, and whether one has won."""
    from rich.console import Console
    from rich.table import Table

    ways = ("by what was said to be wrong", found.said), ("with trouble put into its history", found.invented)
    how = " and ".join(f"{way} ({number} times)" for way, number in ways if number)
    table = Table("", "recall", "precision", "false a week", "delay", box=None, pad_edge=False, title_justify="left")
    table.title = f"{found.kpi}, on the last third of the time, {how}"
    if found.proposed.held_out is not None:
        table.add_column("kinds held out")
    table.add_column("settings")
    for name, tried in found.named:
        table.add_row(name, *_cells(tried))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{'better' if found.verdict.better else 'nothing better was found'}: {found.verdict.why}\n")


def _cells(tried: Tried) -> tuple[str, ...]:
    from detectors.watch.settings import DEFAULT

    def of(score: Score) -> str:
        return f"{score.recall:.0%} of {score.labels}"

    reported, default = tried.reported, written(DEFAULT)
    cells = [of(reported), f"{reported.precision:.0%}", f"{reported.false_a_week:.2f}", f"{reported.delay:.1f} h"]
    if tried.held_out is not None:
        cells.append(of(tried.held_out))
    others = [f"{key} {value}" for key, value in written(tried.settings).items() if value != default[key]]
    return (*cells, ", ".join(others) or "default")


def written(settings: Settings) -> dict[str, object]:
    """As the configuration has them."""
    from streams.config import span_text

    return {
        "per_week": None if settings.per_week is None else round(settings.per_week, 3),
        "least_cases": round(settings.least_cases, 1),
        "least_change": round(settings.least_change, 2),
        "cool_down": span_text(settings.cool_down),
        "longest": settings.longest,
        "protect": settings.protect,
    }


def keep(folder: Path, found: Tuned, material: Prepared, share: float) -> None:
    """Recall against false alarms, and the alerts, as numbers and plots in a folder."""
    from streams.cli.replaying import progress_to
    from streams.history.tuning.curves import curves, most
    from streams.history.tuning.files import write
    from streams.history.tuning.plots import draw

    with progress_to(most(found), f"{found.kpi}, curves") as progress:
        lines = curves(found, material, share, progress=progress)
    paths = write(folder, found, material.parts, lines)
    try:
        paths += draw(folder, material, lines)
    except ModuleNotFoundError as error:
        click.echo(f"warning: there are no plots without {error.name} (pip install 'daybook[plots]')", err=True)
    click.echo(f"written to {folder}: {', '.join(path.name for path in paths)}\n")
