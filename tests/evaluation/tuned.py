"""Tuning proved on simulated shops: configurations that were set badly are tuned on half a year of one shop, and have
to reach the targets of detection in other shops, with other kinds of incidents."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

import msgspec
import numpy as np

from detectors.calendar.business import BusinessCalendar
from detectors.calendar.occasions import occasion_of
from detectors.evaluation.incidents import Alert, Score, score
from detectors.evaluation.watchers import Daybook
from detectors.tuning.agreement import fitted
from detectors.tuning.course import History
from detectors.watch.settings import DEFAULT, Settings
from streams.history.tuning.material import TuningError
from streams.history.tuning.search import tune
from streams.kpis.values import KpiValue
from tests.evaluation import recording, shop, watched
from tests.evaluation.recording import Recording
from tests.evaluation.trial import CONTRACT, watch
from tests.evaluation.tuned_shops import Pair, known_of, labels_of, of_rows

Say = Callable[[str], None]


class Configured(NamedTuple):
    """What is set about alerts: ``per_week`` for the business, and the settings of single KPIs."""

    per_week: float
    kpis: Mapping[str, Settings]


def detuned(names: Sequence[str]) -> dict[str, Configured]:
    """Configurations that were set badly, by what is wrong with them. In the one that is told of too little each KPI is
    so in one of three ways: by many cases only, by large changes only, or by much in a single hour only."""
    ways = (
        Settings(least_cases=200.0),
        Settings(least_change=0.9, least_cases=20.0),
        Settings(least_cases=30.0, longest=1, protect=6.0),
    )
    return {
        "told of too little": Configured(CONTRACT, {name: ways[at % len(ways)] for at, name in enumerate(names)}),
        "told of too much": Configured(10 * CONTRACT, {}),
    }


class Adopted(msgspec.Struct):
    """What tuning came to for a KPI: the settings that are set then, whether they are others than before, and on how
    many labels of incidents, and of trouble put in beside them, that rests."""

    settings: Settings
    better: bool
    said: int
    invented: int
    why: str


class Tuning(NamedTuple):
    """What came of it for all KPIs, and the configuration that it leaves."""

    adopted: dict[str, Adopted]
    then: Configured


def values_of(record: Recording, kpi: str) -> list[KpiValue]:
    """All values of one KPI, in the order of time."""
    only = of_rows(record, lambda series: series.kpi == kpi)
    return [value for values in only.steps() for value in values]


def tuned(pair: Pair, before: Configured, names: Sequence[str], trials: int, processes: int, say: Say) -> Tuning:
    """Tune some KPIs of a configuration on a shop, as ``daybook tune --apply`` does, by what its incidents moved."""
    adopted = {}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for name, one in zip(names, pool.map(partial(_adopted, pair, before, trials), names), strict=True):
            adopted[name] = one
            say(f"{name}: {'better' if one.better else 'as it was'}: {one.why}")
    found = {name: one.settings for name, one in adopted.items() if one.better}
    known = [kpi.name for kpi in recording.definitions().kpis]
    then = {**before.kpis, **fitted(found, known, before.per_week, before.kpis)}
    return Tuning(adopted, Configured(before.per_week, then))


def _adopted(pair: Pair, before: Configured, trials: int, name: str) -> Adopted:
    """Kept beside the recordings, as what watchers say is."""
    today = before.kpis.get(name, DEFAULT)
    digest = hashlib.blake2b(watched.code(), digest_size=6)
    digest.update((recording.ROOT / "streams/history/tuning/search.py").read_bytes())
    digest.update(f"{before.per_week} {today} {trials}".encode())
    path = pair.troubled.parent / watched.FOLDER / f"{pair.troubled.stem}-{name}-{digest.hexdigest()}.json"
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Adopted)
    one = _tune(pair, before, today, trials, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    draft.write_bytes(msgspec.json.encode(one))
    draft.replace(path)
    return one


def history_of(pair: Pair, name: str) -> History:
    """One KPI of a shop, with the incidents that moved it."""
    record, incidents = known_of(pair)
    definitions = recording.definitions()
    (kpi,) = (kpi for kpi in definitions.kpis if kpi.name == name)
    calendar = BusinessCalendar(definitions.timezone, country="DE")
    calendar.put(occasion_of(entry) for entry in record.calendar)
    values = values_of(record, name)
    labels = [one for one in labels_of(name, incidents) if values and one.until <= values[-1].end]
    return History(kpi, definitions.timezone, values, labels, calendar.at)


def share_of(before: Configured) -> float:
    """How often a week one is told of a KPI that nothing is said about."""
    return before.per_week / len(recording.definitions().kpis)


def _tune(pair: Pair, before: Configured, today: Settings, trials: int, name: str) -> Adopted:
    try:
        found = tune(history_of(pair, name), today, share_of(before), trials=trials, processes=1)
    except TuningError as error:
        return Adopted(today, False, 0, 0, str(error))
    better = found.verdict.better
    return Adopted(found.proposed.settings if better else today, better, found.said, found.invented, found.verdict.why)


def reported(pairs: Iterable[Pair], configured: Configured, processes: int) -> list[Score]:
    """How good all alerts are in some shops under a configuration."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(_reported, configured), pairs))


def _reported(configured: Configured, pair: Pair) -> Score:
    record, incidents = known_of(pair)
    names = [series.name for series in record.series]
    told = watch(record, partial(Daybook, settings=configured.kpis), configured.per_week).alert
    alerts = [Alert(names[row], int(record.starts[column])) for row, column in zip(*np.nonzero(told), strict=True)]
    since = int(record.starts[0]) + shop.LEARNING_WEEKS * shop.WEEK
    return score(alerts, incidents, names, since, int(record.starts[-1]) + 1)
