"""``daybook report``: what came of a replay, as a page."""

from __future__ import annotations

from pathlib import Path

import click

from streams.cli.settings import example


@click.command(epilog=example("daybook report october"))
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def report(folder: Path) -> None:
    """Make report.html again of what `daybook replay --out` wrote to FOLDER.

    It opens in any browser, and asks nothing of another host.
    """
    from dashboards.report.write import write_report

    click.echo(f"{write_report(folder)} can be opened in a browser")
