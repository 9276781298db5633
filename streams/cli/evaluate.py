"""``daybook evaluate``: how a detector does on series that nobody tuned it on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.settings import example

if TYPE_CHECKING:
    from streams.evaluation.run import Evaluation

_folder = click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
_detector = click.option("--detector", default="daybook", show_default=True, help="Which one; see --list-detectors.")
_out = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write what was said of each row there, apart from FOLDER.  [default: nowhere]",
)
_jobs = click.option("--jobs", type=click.IntRange(1), help="Processes side by side.  [default: all cores]")


def _listed(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from streams.evaluation.detectors import CANDIDATES

        click.echo("\n".join(CANDIDATES))
        context.exit()


_list = click.option(
    "--list-detectors", is_flag=True, is_eager=True, expose_value=False, callback=_listed, help="List them, and end."
)


@click.group(epilog=example("daybook evaluate nab NAB/ --out results/", "daybook evaluate series exports/"))
def evaluate() -> None:
    """Let a detector read series row by row, and see what it would have told.

    What makes no sense is said and left out, and the rest judged; the exit status then is 1.
    """


@evaluate.command(epilog=example("daybook evaluate nab NAB/", "daybook evaluate nab NAB/ --detector 'river LODA'"))
@_folder
@_detector
@_out
@_jobs
@_list
def nab(folder: Path, detector: str, out: Path | None, jobs: int | None) -> int:
    """Score a folder in the layout of the Numenta Anomaly Benchmark.

    Folders of CSV files (timestamp,value) and a windows.json with the labelled windows of each. One setting for all
    files, no row is seen before the one before it has been judged.
    """
    from streams.evaluation.files import SeriesError
    from streams.evaluation.run import labelled, nab_scores

    if not (folder / "windows.json").exists():
        raise SeriesError(f"{folder}/windows.json: not there (expected an object of file: [[from, to], ...])")
    found = _evaluated(folder, detector, out, jobs)
    if not labelled(found.judgements):
        raise SeriesError(f"{folder}/windows.json: has an entry for none of the files, so that there is no score")
    scores = nab_scores(found.judgements)
    click.echo(f"{'profile':12} {'as alerted':>10} {'best threshold':>15}")
    for profile, given in scores.given.items():
        best = scores.best[profile]
        click.echo(f"{profile:12} {given:10.1f} {best.score:10.1f} at {best.threshold:.3g}")
    return _ended(found)


@evaluate.command(epilog=example("daybook evaluate series exports/", "daybook evaluate series exports/ --out results/"))
@_folder
@_detector
@_out
@_jobs
@_list
def series(folder: Path, detector: str, out: Path | None, jobs: int | None) -> int:
    """Judge CSV files of timestamp,value and perhaps a 0/1 label, row by row."""
    return _ended(_evaluated(folder, detector, out, jobs))


def _ended(found: Evaluation) -> int:
    """What was left out, and the exit status."""
    if not found.left_out:
        return 0
    counts = [f"{count:,} {what}{'s' if count > 1 else ''}" for what, count in found.left_out.items()]
    click.echo(f"left out: {', '.join(counts)}", err=True)
    return 1


def _evaluated(folder: Path, detector: str, out: Path | None, jobs: int | None) -> Evaluation:
    from detectors.evaluation.events import together
    from streams.evaluation.detectors import CANDIDATES
    from streams.evaluation.run import evaluate as run
    from streams.evaluation.run import labelled

    if detector not in CANDIDATES:
        raise click.UsageError(f"no detector {detector!r} (expected one of: {', '.join(CANDIDATES)})")
    evaluation = run(folder, detector, out, jobs, lambda text: click.echo(text, err=True))
    found = evaluation.judgements
    width = max(len("all that are labelled"), *(len(one.series.name) for one in found))
    click.echo(f"{'series':{width}} {'rows':>8} {'alerts':>7} {'events':>7} {'found':>6} {'false':>6} {'delay':>7}")
    for one in found:
        _line(one.series.name, width, len(one.rows), sum(row.alert for row in one.rows), one.outcome)
    known = labelled(found)
    if known:
        all_ = together(one.outcome for one in known if one.outcome is not None)
        rows = sum(len(one.rows) for one in known)
        _line("all that are labelled", width, rows, sum(row.alert for one in known for row in one.rows), all_)
        a_week = f"{all_.false_a_week:.2f} false alarms a week and series"
        click.echo(f"precision {all_.precision:.2f}, recall {all_.recall:.2f}, {a_week}")
    if out is not None:
        click.echo(f"written: {out}")
    return evaluation


def _line(name: str, width: int, rows: int, alerts: int, outcome: object) -> None:
    from detectors.evaluation.events import Outcome

    text = f"{name:{width}} {rows:8,} {alerts:7}"
    if isinstance(outcome, Outcome):
        delay = "-" if outcome.delay is None else f"{outcome.delay:g} r"
        text += f" {outcome.events:7} {outcome.found:6} {outcome.false:6} {delay:>7}"
    click.echo(text)
