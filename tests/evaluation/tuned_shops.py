"""The shops that tuning is proved on: half a year of one to tune on, with incidents of some kinds, and others, with
incidents of other kinds alone, to report on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from detectors.evaluation.incidents import Known, kpi_of
from detectors.tuning.course import Label
from streams.ingest.simulator import SimulatorSettings
from streams.kpis.warm import warm
from tests.evaluation import recording, shop
from tests.evaluation.recording import Recording, Series
from tests.evaluation.truth import known

SEEN = ("courier_outage", "payment_failures", "website_down", "promotion")
"""What settings are chosen by; promotions are announced and must not alarm."""
HELD_OUT = ("warehouse_stop", "support_understaffed", "tracking_feed_silent")
"""What they are reported on."""


class Wanted(NamedTuple):
    """A shop: ``size`` is orders a day; incidents are of some ``kinds``."""

    size: int
    seed: int
    weeks: int
    kinds: tuple[str, ...]


class Pair(NamedTuple):
    """Its recordings with incidents and without."""

    troubled: Path
    usual: Path


def pairs(wanted: Sequence[Wanted], processes: int, say: Callable[[str], None]) -> list[Pair]:
    """The recordings of shops, from the cache or made now."""
    found = [Pair(*(path for path, _ in _settings(one))) for one in wanted]
    todo = [
        (path, settings, one.size, one.seed) for one in wanted for path, settings in _settings(one) if not path.exists()
    ]
    if todo:
        warm()
        say(f"{len(todo)} recordings to make in {recording.folder()}")
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            for path in pool.map(recording.keep, *zip(*todo, strict=True)):
                say(path.name)
    return found


def _settings(one: Wanted) -> Iterable[tuple[Path, SimulatorSettings]]:
    """What is to be recorded of a shop, and where: with incidents, and without."""
    kpis = recording.definitions()
    for name, settings in (
        ("tuning", shop.troubled(one.size, one.seed, one.weeks, one.kinds)),
        ("usual", shop.usual(one.size, one.seed, one.weeks)),
    ):
        stem = f"{one.size}-{one.seed:03d}-{name}"
        yield recording.folder() / f"{stem}-{recording.key(settings, kpis)}.npz", settings


def known_of(pair: Pair) -> tuple[Recording, list[Known]]:
    """The totals of a shop with incidents, and what is known of those: what shows in a slice alone is not asked for."""
    troubled, usual = (of_rows(one, lambda series: not series.slice) for one in map(recording.load, pair))
    return troubled, known(troubled, usual, recording.definitions())


def of_rows(record: Recording, wanted: Callable[[Series], bool]) -> Recording:
    """Of some of the series."""
    rows = [number for number, series in enumerate(record.series) if wanted(series)]
    return record._replace(
        series=[record.series[row] for row in rows],
        told=record.told[rows],
        value=record.value[rows],
        weight=record.weight[rows],
        parts=record.parts[rows],
    )


def labels_of(kpi: str, incidents: Iterable[Known]) -> list[Label]:
    """What a team would have written down of a KPI: the incidents that could be seen and moved it, from when they did
    until that had settled."""
    found = []
    for one in incidents:
        windows = [window for series, window in one.moves.items() if kpi_of(series) == kpi]
        if windows and one.shows is not None and one.nature != "planned":
            since, until = min(window.first for window in windows), max(window.until for window in windows)
            found.append(Label(since, until, one.kind))
    return sorted(found)
