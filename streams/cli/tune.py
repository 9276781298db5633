"""``daybook tune``: settings of alerts that history shows to be better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.settings import DAY, Settings, configured, example

if TYPE_CHECKING:
    from detectors.tuning.course import Beside, History, Label
    from detectors.watch.settings import Settings as KpiSettings
    from streams.config import Config
    from streams.kpis.values import KpiValue

    LabelsOf = Callable[[str, int, int], tuple[Sequence[Label], Beside]]

FEEDBACK = "feedback"
"""What stands in place of a file."""


@click.command(
    epilog=example(
        "daybook tune --kpi refund_ratio",
        "daybook tune --kpi orders_placed --labels trouble.csv --apply",
        "daybook tune --labels feedback --out tuned",
        "daybook replay --no-detection --out year && daybook tune --from year",
    )
)
@click.option("--kpi", "kpis", multiple=True, help="The KPI (may be given several times); all where none is named.")
@click.option("--since", type=DAY, help="The first day of arrival (UTC) of the archive that is looked at.")
@click.option("--until", type=DAY, help="The last one.")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    help="A folder that daybook replay wrote, in place of the archive.",
)
@click.option(
    "--labels",
    metavar=f"FILE|{FEEDBACK}",
    help="What was wrong: a CSV file of since, until (RFC 3339), perhaps kpi and what; or what was said of incidents. "
    "Trouble is invented where there is little of it.",
)
@click.option("--trials", type=click.IntRange(2, 10_000), default=100, show_default=True, help="Settings to try.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another one tries others.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for recall against false alarms and the alerts, as numbers and plots.",
)
@click.option("--apply", is_flag=True, help="Write what has won into the configuration, with a comment.")
@configured
def tune(
    settings: Settings,
    kpis: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    folder: Path | None,
    labels: str | None,
    trials: int,
    seed: int,
    out: Path | None,
    apply: bool,
) -> None:
    """Look for settings under which a KPI's alerts are fewer and better.

    They are chosen on the early part of history and have to win on the last, against what is set and against the
    default, by more than chance. Nothing is changed without --apply.
    """
    config = settings.attach() if labels == FEEDBACK else settings.load()
    from streams.cli.replaying import known_kpi, progress_to
    from streams.cli.tune_adopted import Won, adopt
    from streams.cli.tune_shown import keep, show
    from streams.history.tuning.material import TuningError
    from streams.history.tuning.parts import prepared
    from streams.history.tuning.search import tune as search

    names = [known_kpi(config, name) for name in kpis] or [kpi.name for kpi in config.kpis]
    if apply:
        from streams.config.edit import require_own

        require_own(config.source)
    labels_of = _labels(config, labels)
    histories = _histories(config, names, folder, since, until)
    won, failed = [], 0
    for name in names:
        history, today, share = histories(name)
        if history.values:
            about, beside = labels_of(name, history.values[0].start, history.values[-1].end)
            history = history._replace(labels=about, beside=beside)
        try:
            with progress_to(trials, name) as progress:
                found = search(history, today, share, trials=trials, seed=seed, progress=progress)
        except TuningError as error:
            if len(names) == 1:
                raise
            click.echo(f"{name}: passed over: {error}", err=True)
            failed += 1
            continue
        show(found)
        if out is not None:
            keep(out, found, prepared(history, seed), share)
        if found.verdict.better:
            won.append(Won(found, history.values[0].start, history.values[-1].end))
    if failed == len(names):
        raise TuningError("there was too little history for any of them")
    if apply:
        adopt(config, won)


def _labels(config: Config, given: str | None) -> LabelsOf:
    """What was wrong with a KPI in a time: as a file has it, or feedback, or as nobody has said."""
    from detectors.tuning.course import Beside

    if given is None:
        return lambda kpi, since, until: ([], Beside())
    if given == FEEDBACK:
        from detectors.tuning.feedback import labels_from
        from streams.runtime.incidents import read_feedback, read_incidents

        said = read_feedback(config)
        incidents = {name: revisions[-1] for name, revisions in read_incidents(config).items()}
        return lambda kpi, since, until: labels_from(said, incidents, kpi, since, until)
    from streams.history.tuning.material import labels_in, labels_of

    path = Path(given)
    lines = labels_in(path, [kpi.name for kpi in config.kpis])
    return lambda kpi, since, until: (labels_of(path, lines, kpi, since, until), Beside())


def _histories(
    config: Config, names: Sequence[str], folder: Path | None, since: datetime | None, until: datetime | None
) -> Callable[[str], tuple[History, KpiSettings, float]]:
    """By KPI its history without labels, its settings as they are, and how often a week one is told of it by
    default."""
    from detectors.tuning.course import History
    from detectors.watch.settings import DEFAULT, shares
    from streams.history.replay.run import calendar_in
    from streams.runtime.archivist import folder_of

    values = _values(config, names, folder, since, until)
    around = calendar_in(config, folder_of(config)).at
    per_week, settings = config.alerts.per_week, config.alerts.kpis
    by_default = shares([kpi.name for kpi in config.kpis], per_week, settings)
    kpis = {kpi.name: kpi for kpi in config.kpis}

    def of(name: str) -> tuple[History, KpiSettings, float]:
        today = settings.get(name, DEFAULT)
        share = by_default[name] if today.per_week is None else per_week / len(kpis)
        return History(kpis[name], config.business.timezone, values[name], (), around), today, share

    return of


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
