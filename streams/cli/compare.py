"""``daybook compare``: the same history under two configurations."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from streams.cli.settings import DAY, Settings, configured, example

if TYPE_CHECKING:
    from detectors.lookback.matching import Kind
    from streams.config import Config
    from streams.history.lookback.compare import Comparison

_PATH = click.Path(path_type=Path, exists=True)
DIFFERENT = 1


@click.command(
    epilog=example(
        "daybook compare daybook.yaml other.yaml --since 2026-10-01",
        "daybook compare october october-under-other --json",
    )
)
@click.argument("before", type=_PATH)
@click.argument("after", type=_PATH)
@click.option("--since", type=DAY, help="The first day of arrival (UTC) that is replayed.")
@click.option("--until", type=DAY, help="The last one.")
@click.option("--all", "everything", is_flag=True, help="Also alerts that are the same.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@configured
def compare(
    settings: Settings,
    before: Path,
    after: Path,
    since: datetime | None,
    until: datetime | None,
    everything: bool,
    as_json: bool,
) -> int:
    """Say what BEFORE and AFTER make of the same history: which alerts there are in one only, which come earlier or
    later, which KPIs differ.

    Each is a configuration file, or a folder that `daybook replay --out` wrote. Files are replayed from the archive of
    the configuration in use. The exit status is that of diff: 0 if nothing differs, 1 if anything does, 2 for a
    mistake.
    """
    config = settings.load()
    from streams.history.lookback.compare import compare as run

    if (since or until) and before.is_dir() and after.is_dir():
        raise click.UsageError("--since and --until are for configurations; these are folders of what was replayed")
    with TemporaryDirectory(prefix="daybook-compare-") as drafts:
        folders = [
            one if one.is_dir() else _replayed(settings, config, one, since, until, Path(drafts, str(number)))
            for number, one in enumerate((before, after))
        ]
        found = run(*folders)
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found.plain())).decode())
    else:
        _print(config, found, everything)
    return DIFFERENT if found.differs else 0


def _replayed(
    settings: Settings, config: Config, file: Path, since: datetime | None, until: datetime | None, out: Path
) -> Path:
    """The folder of what comes of the archive under the configuration in a file."""
    from streams.cli.replaying import progress_to, source_told
    from streams.config import load_config
    from streams.history.replay.run import replay
    from streams.kpis.warm import warm

    other = load_config(file, settings.environment)
    source = source_told(config, since, until)
    warm()
    with progress_to(source.records, f"replaying under {file}") as progress:
        replay(other, source, out, progress=lambda done, _: progress(done))
    return out


def _print(config: Config, found: Comparison, everything: bool) -> None:
    from rich.console import Console

    from streams.cli.alert_table import pair_table

    console = Console(highlight=False, soft_wrap=True)
    shown = [pair for pair in found.pairs if everything or pair.differs]
    if shown:
        console.print(pair_table(config, shown))
    for kpi in found.kpis:
        facts = [f"{kpi.differ:,} of {kpi.both:,} values differ"] if kpi.both else []
        if kpi.most is not None:
            facts.append(f"by {kpi.most:.1%} at most")
        facts += [f"{kpi.only_before:,} only before"] if kpi.only_before else []
        facts += [f"{kpi.only_after:,} only after"] if kpi.only_after else []
        console.print(f"{kpi.kpi}: {', '.join(facts)}", markup=False)
    counts = found.counts
    kinds: tuple[Kind, ...] = ("same", "earlier", "later", "disappears", "appears")
    told = ", ".join(f"{counts[kind]} {kind}" for kind in kinds if kind in counts)
    console.print(f"alerts: {told or 'none'}; incidents: {found.incidents[0]} before, {found.incidents[1]} after")
    if not found.differs:
        console.print("nothing differs")
