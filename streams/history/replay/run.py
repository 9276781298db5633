"""A replay from an archive, under a configuration, isolated from all that is live."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from detectors.calendar.business import BusinessCalendar
from detectors.calendar.occasions import Occasion, occasion_of
from detectors.response.response import Response
from detectors.watch.verdicts import Verdicts
from detectors.watch.watch import Watch
from streams.errors import ContractError
from streams.events.codec import decode_calendar
from streams.events.types import CalendarData
from streams.history.archive.files import pieces_in
from streams.history.archive.reading import records_of
from streams.history.replay.conditions import Conditions, conditions_of
from streams.history.replay.engine import Engine, News, coarse
from streams.history.replay.processes import steps_of
from streams.history.replay.results import Results, Summary
from streams.history.replay.source import Source, missing
from streams.runtime.calendar import business_calendar
from streams.runtime.notify.channels import notices_of

if TYPE_CHECKING:
    from streams.config import Config

Progress = Callable[[int, int], None]


def engine_of(
    config: Config, source: Source, *, detect: bool = True, occasions: Iterable[Occasion] = (), step_ms: int = 0
) -> Engine:
    """The core as a worker with that configuration has it. All that the archived calendar announces is known from the
    beginning, and more ``occasions``; what people said of alerts is not. ``step_ms`` as for
    :func:`~streams.history.replay.engine.coarse`."""
    definitions = coarse(config.definitions(), step_ms)
    if not detect:
        return Engine(definitions, source.partitions)
    calendar = calendar_of(config, source)
    calendar.put(occasions)
    watch = Watch(definitions, config.alerts.per_week, calendar, Verdicts(), config.alerts.kpis)
    response = Response(definitions, notices_of(config))
    return Engine(definitions, source.partitions, watch, response)


def calendar_of(config: Config, source: Source) -> BusinessCalendar:
    """The calendar as configured, with all that the archived one announces."""
    return calendar_in(config, source.folder)


def calendar_in(config: Config, folder: Path) -> BusinessCalendar:
    """The same of an archive in a folder, which need not be there."""
    calendar = business_calendar(config)
    calendar.put(occasion_of(entry) for entry in _announced(folder))
    return calendar


def _announced(folder: Path) -> Iterator[CalendarData]:
    """The entries of the archived calendar, the newest of each id; those that were withdrawn left out."""
    entries: dict[bytes, CalendarData | None] = {}
    for _, some in records_of(folder, (piece for piece in pieces_in(folder) if piece.log.topic == "calendar")):
        for key, value in zip(some.keys, some.values, strict=True):
            try:
                entries[key or b""] = None if value is None else decode_calendar(value).data
            except ContractError:
                continue
    return (entry for entry in entries.values() if entry is not None)


def news_of(
    config: Config,
    engine: Engine,
    source: Source,
    progress: Progress = lambda done, of: None,
    processes: int | None = None,
) -> Iterator[News]:
    """Replay all of it; ``progress`` is told how many records have been fed, of how many. ``processes`` as in
    :func:`~streams.history.replay.processes.steps_of`."""
    total = source.records
    for step in steps_of(engine.definitions, source, config.limits.event_bytes, engine.told_every, processes):
        yield engine.take(step)
        progress(engine.counts.records, total)
    yield engine.finish()


def replay(
    config: Config,
    source: Source,
    out: Path | None = None,
    *,
    detect: bool = True,
    progress: Progress | None = None,
    processes: int | None = None,
    occasions: Iterable[Occasion] = (),
    origin: str = "",
    through: Callable[[Iterator[News]], Iterator[News]] = iter,
) -> Summary:
    """Replay, and write what comes of it to a folder if one is given. ``processes`` as for :func:`news_of`,
    ``occasions`` as for :func:`engine_of`; ``origin`` says where the events are from, the folder of the source unless
    given; all news go ``through`` something that may hold them up.

    Raises :class:`~streams.history.replay.results.ResultsError` where that cannot be, and
    :class:`~streams.history.archive.files.ArchiveError` for a damaged file; then nothing is left of it.
    """
    engine = engine_of(config, source, detect=detect, occasions=occasions)
    news = news_of(config, engine, source, progress or (lambda done, of: None), processes)
    if out is None:
        return _run(engine, through(news), None)
    conditions = conditions_of(config, origin or str(source.folder), missing(source), detect)
    with Results(out) as results:
        return _run(engine, through(news), results, conditions)


def _run(
    engine: Engine, whole: Iterable[News], results: Results | None, conditions: Conditions | None = None
) -> Summary:
    begun, values, alerts, incidents = time.monotonic(), 0, 0, set[str]()
    for news in whole:
        values += len(news.values)
        alerts += sum(value.alert for value in news.values)
        incidents |= {one.id for one in news.incidents}
        if results is not None:
            results.put(news.values, news.incidents)
    summary = Summary(engine.counts, values, alerts, len(incidents), time.monotonic() - begun)
    if results is not None:
        results.conclude(summary, conditions)
    return summary
