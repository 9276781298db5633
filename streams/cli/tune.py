"""``daybook tune``: settings of alerts that history shows to be better."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.settings import Settings, configured, example

if TYPE_CHECKING:
    from detectors.tuning.course import Label, Score
    from detectors.watch.kpi import Around
    from detectors.watch.settings import Settings as KpiSettings
    from streams.config import Config
    from streams.history.tuning.material import Said
    from streams.history.tuning.search import Tried, Tuned
    from streams.kpis.values import KpiValue

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command(
    epilog=example(
        "daybook tune --kpi refund_ratio",
        "daybook tune --kpi orders_placed --labels trouble.csv --apply",
        "daybook replay --no-detection --out year && daybook tune --from year",
    )
)
@click.option("--kpi", "kpis", multiple=True, help="The KPI (may be given several times); all where none is named.")
@click.option("--since", type=_DAY, help="The first day of arrival (UTC) of the archive that is looked at.")
@click.option("--until", type=_DAY, help="The last one.")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    help="A folder that daybook replay wrote, in place of the archive.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A CSV file of what was wrong: since, until (RFC 3339), perhaps kpi and what. Without it trouble is invented.",
)
@click.option("--trials", type=click.IntRange(2, 10_000), default=100, show_default=True, help="Settings to try.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another one tries others.")
@click.option("--apply", is_flag=True, help="Write what has won into the configuration, with a comment.")
@configured
def tune(
    settings: Settings,
    kpis: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    folder: Path | None,
    labels: Path | None,
    trials: int,
    seed: int,
    apply: bool,
) -> None:
    """Look for settings under which a KPI's alerts are fewer and better.

    They are chosen on the early part of history and have to win on the last, against what is set and against the
    default, by more than chance. Nothing is changed without --apply.
    """
    config = settings.load()
    from streams.cli.replaying import known_kpi
    from streams.history.replay.run import calendar_in
    from streams.history.tuning.material import TuningError, labels_in
    from streams.runtime.archivist import folder_of

    names = list(kpis) or [kpi.name for kpi in config.kpis]
    for name in names:
        known_kpi(config, name)
    said = [] if labels is None else labels_in(labels)
    values = _values(config, names, folder, since, until)
    around = calendar_in(config, folder_of(config)).at
    failed = 0
    for name in names:
        try:
            found = _tuned(config, name, values[name], around, labels, said, trials, seed)
        except TuningError as error:
            if len(names) == 1 or labels is not None:
                raise
            click.echo(f"{name}: passed over: {error}", err=True)
            failed += 1
            continue
        _show(found)
        if found.verdict.better and apply:
            _write(config, found, values[name])
    if failed == len(names):
        raise TuningError("there was too little history for any of them")


def _values(
    config: Config, names: Sequence[str], folder: Path | None, since: datetime | None, until: datetime | None
) -> dict[str, list[KpiValue]]:
    from streams.cli.replaying import progress_to, source_told
    from streams.history.tuning.material import replayed_values, written_values
    from streams.kpis.warm import warm

    if folder is not None:
        return written_values(config, folder, names)
    source = source_told(config, since, until)
    warm()
    with progress_to(source.records, "replaying") as progress:
        return replayed_values(config, source, names, lambda done, _: progress(done))


def _tuned(
    config: Config,
    name: str,
    values: Sequence[KpiValue],
    around: Around,
    path: Path | None,
    said: Sequence[Said],
    trials: int,
    seed: int,
) -> Tuned:
    from detectors.tuning.course import History
    from detectors.watch.settings import DEFAULT, shares
    from streams.cli.replaying import progress_to
    from streams.history.tuning.material import TuningError, labels_of
    from streams.history.tuning.search import tune as search

    if not values:
        raise TuningError(f"{name}: there is no value of it in that time")
    about: list[Label] = []
    if path is not None:
        known = [kpi.name for kpi in config.kpis]
        about = labels_of(path, said, name, known, values[0].start, values[-1].end)
    (kpi,) = (one for one in config.kpis if one.name == name)
    share = shares([one.name for one in config.kpis], config.alerts.per_week, config.alerts.kpis)[name]
    today = config.alerts.kpis.get(name, DEFAULT)
    equal = config.alerts.per_week / len(config.kpis) if today.per_week is not None else share
    history = History(kpi, config.business.timezone, values, about, around)
    with progress_to(trials, name) as progress:
        return search(history, today, equal, trials=trials, seed=seed, progress=progress)


def _show(found: Tuned) -> None:
    from rich.console import Console
    from rich.table import Table

    how = "with trouble put into its history" if found.invented else "by what was said to be wrong"
    table = Table("", "recall", "precision", "false a week", "delay", box=None, pad_edge=False, title_justify="left")
    table.title = f"{found.kpi}, on the last third of the time, {how}"
    if found.invented:
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

    reported, default = tried.reported, _written(DEFAULT)
    cells = [of(reported), f"{reported.precision:.0%}", f"{reported.false_a_week:.2f}", f"{reported.delay:.1f} h"]
    if tried.held_out is not None:
        cells.append(of(tried.held_out))
    others = [f"{key} {value}" for key, value in _written(tried.settings).items() if value != default[key]]
    return (*cells, ", ".join(others) or "default")


def _written(settings: KpiSettings) -> dict[str, object]:
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


def _write(config: Config, found: Tuned, values: Sequence[KpiValue]) -> None:
    from streams.config.edit import set_alerts
    from streams.events.times import format_time

    before, after = found.today.reported, found.proposed.reported
    since, until = (format_time(at)[:10] for at in (values[0].start, values[-1].end))
    comment = (
        f"tuned on {since} to {until}: recall {before.recall:.0%} -> {after.recall:.0%}, "
        f"false alarms a week {before.false_a_week:.2f} -> {after.false_a_week:.2f}"
    )
    today, proposed = _written(found.today.settings), _written(found.proposed.settings)
    changes = {key: value for key, value in proposed.items() if value != today[key]}
    if "cool_down" in changes:
        changes["cool_down"] = found.proposed.settings.cool_down
    set_alerts(config.source, found.kpi, changes, comment)
    click.echo(f"written to {config.source}")
