"""Detection on real data: every data set imported, its KPIs computed and judged in event time, alerts over the desk.

The KPIs are those of the configuration that comes with Daybook, as far as the set has events for them; time zone,
currency, country and how long things are remembered are the business's own.
"""

from __future__ import annotations

import tempfile
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from math import ceil, log10, nan
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from detectors.watch.desk import Desk
from detectors.watch.watch import Watch
from streams.config import Config, load_config
from streams.config.structs import Business
from streams.events.codec import ChunkDecoder
from streams.events.types import BusinessEvent, SourceHeartbeat
from streams.ingest.imports import Record
from streams.kpis.book import SeriesBook
from streams.kpis.definitions import Definitions, KpiDefinition, LevelKpi, MeasureKpi, Span
from streams.kpis.grid import DAY_MS, HOUR_MS
from streams.kpis.kernel import Kernel
from streams.kpis.plan import Plan
from streams.kpis.values import KpiValue
from streams.runtime.calendar import business_calendar
from tests.support.real_data import configured, import_whole

WEEK_MS = 7 * DAY_MS
PAGES = 3.0
"""Pages a week that are agreed upon."""
STORM_DAY, STORM_WEEK = 4, 9
"""More pages in 24 hours, or in seven days, are a storm."""
_FAMILIES: Final = ("orders", "deliveries", "support")
_LOG_ENDS = datetime(2016, 7, 4, tzinfo=UTC)
"""The support log holds the tickets of three months; of the half-year behind, a handful each week."""
_HOUR, _DAY = Span("1h", HOUR_MS), Span("1d", DAY_MS)


class RealSet(NamedTuple):
    """A data set: as its mapping is called, where its public holidays are, by which grain it is judged, and why;
    ``until`` which day, where it is not judged to its end."""

    name: str
    title: str
    country: str | None
    subdivision: str | None
    grain: Span
    because: str
    until: datetime | None = None


SETS = (
    RealSet("online_retail", "gift shop, United Kingdom", "GB", "ENG", _HOUR, "6 orders an hour while it is open"),
    RealSet("olist", "marketplace, Brazil", "BR", None, _DAY, "16 orders a day: most hours have none"),
    RealSet("servicenow", "IT support, place unknown", None, None, _HOUR, "40 tickets an hour by day", _LOG_ENDS),
)


class Real(NamedTuple):
    """What an import came to: its configuration, the KPIs it feeds, its events by topic in their order."""

    set: RealSet
    config: Config
    definitions: Definitions
    records: list[Record]


class Course:
    """What a series was and was expected to be, grain by grain; NaN where that is not known."""

    def __init__(self) -> None:
        self.starts = array("d")
        self.values, self.lows, self.highs = array("d"), array("d"), array("d")

    def add(self, value: KpiValue) -> None:
        """The next grain."""
        low, _, high = value.expected or (nan, nan, nan)
        self.starts.append(value.start)
        self.values.append(nan if value.value is None else value.value)
        self.lows.append(low)
        self.highs.append(high)


class Moment(NamedTuple):
    """What was most surprising within a week. ``surprise`` allows for how many series its KPI has; ``others`` are
    the other KPIs that came near it in that time; ``page`` where people were told of any of it (epoch ms)."""

    value: KpiValue
    surprise: float
    others: tuple[str, ...]
    page: int | None


class Judged(NamedTuple):
    """What was said of a data set. ``courses`` are all series by name; ``strange`` are values with their surprise, at
    least 1 once the number of series of their KPI is allowed for (that of an alert has been); ``alerts`` are those of
    the KPIs before the desk, ``told`` those that people were told of; ``pages`` is where these began, epoch ms;
    ``seconds`` of processor time went into judging ``judged`` values of the grains from ``begin`` to ``end``."""

    real: Real
    courses: dict[str, Course]
    strange: list[tuple[float, KpiValue]]
    alerts: list[KpiValue]
    told: list[KpiValue]
    pages: list[int]
    begin: int
    end: int
    judged: int
    seconds: float

    @property
    def weeks(self) -> float:
        """How long it was watched."""
        return (self.end - self.begin) / WEEK_MS

    @property
    def by_week(self) -> list[int]:
        """Pages in each week since the first event."""
        weeks = Counter((page - self.begin) // WEEK_MS for page in self.pages)
        return [weeks[week] for week in range(ceil(self.weeks))]

    def most(self, span: int) -> int:
        """The most pages in any so many ms."""
        return max((sum(0 <= page - first < span for page in self.pages) for first in self.pages), default=0)

    @property
    def longest_run(self) -> int:
        """The most pages with less than two days from each to the next."""
        longest = run = 0
        for before, page in pairwise([-(1 << 62), *self.pages]):
            run = run + 1 if page - before < 2 * DAY_MS else 1
            longest = max(longest, run)
        return longest

    @property
    def storms(self) -> int:
        """How many pages were one too many: above what is allowed in a day, or in a week."""
        return sum(
            sum(0 <= page - before < DAY_MS for before in self.pages) > STORM_DAY
            or sum(0 <= page - before < WEEK_MS for before in self.pages) > STORM_WEEK
            for page in self.pages
        )

    def moments(self, count: int = 10) -> list[Moment]:
        """The most surprising there were, the most surprising first, whether people were told or not: of what is for
        the better they are not."""
        found: list[Moment] = []
        for surprise, value in sorted(self.strange, key=lambda one: (-one[0], one[1].start, one[1].series)):
            if len(found) == count:
                break
            if any(_near(value.start, one.value.start) for one in found):
                continue
            near = [one for one in self.strange if _near(one[1].start, value.start) and one[0] >= 2.0]
            others = {one.kpi for _, one in near} - {value.kpi}
            page = min((page for page in self.pages if abs(page - value.start) <= DAY_MS), default=None)
            found.append(Moment(value, surprise, tuple(sorted(others)), page))
        return found


def _near(one: int, other: int) -> bool:
    return abs(one - other) <= WEEK_MS


def load(real_set: RealSet) -> Real:
    """Import a data set as ``daybook import`` does."""
    with tempfile.TemporaryDirectory() as folder:
        own = configured(real_set.name, Path(folder))
        kafka = msgspec.structs.replace(own.kafka, partitions=1)
        records: list[Record] = []
        import_whole(real_set.name, own.with_(kafka=kafka), records.extend)
    place = {"country": real_set.country, "subdivision": real_set.subdivision}
    business: Business = msgspec.structs.replace(own.business, **place)
    config = load_config(env={}).with_(business=business, lifecycle=own.lifecycle, time=own.time)
    return Real(real_set, config, fed(config.definitions(), records, real_set.grain), records)


def fed(default: Definitions, records: Sequence[Record], grain: Span) -> Definitions:
    """Of the KPIs and their slices those that the events say something of, with another grain."""
    types: set[str] = set()
    fields: set[tuple[str, str]] = set()
    for _, events in _read(records, len(records)):
        for event in events:
            if not isinstance(event, SourceHeartbeat):
                name = str(event.__struct_config__.tag)
                types.add(name)
                fields.update((name, field) for field, value in msgspec.structs.asdict(event.data).items() if value)
    sliced = {one.name for one in default.dimensions if fields.intersection(one.sources)}

    def seen(moments: Iterable[str]) -> bool:
        return any(default.moments[moment].event in types for moment in moments)

    def feeds(kpi: KpiDefinition) -> bool:
        if isinstance(kpi, MeasureKpi):
            return seen(kpi.of.moments) and (kpi.per is None or seen(kpi.per.moments))
        if isinstance(kpi, LevelKpi):
            return seen(kpi.start) and seen(kpi.until)
        return seen(kpi.start) and seen(kpi.end)

    kpis = tuple(
        msgspec.structs.replace(kpi, grain=grain, by=tuple(one for one in kpi.by if sliced.issuperset(one)))
        for kpi in default.kpis
        if feeds(kpi)
    )
    return msgspec.structs.replace(default, kpis=kpis)


def _read(records: Sequence[Record], chunk: int) -> Iterator[tuple[int, list[BusinessEvent]]]:
    """Events by topic, so many records at a time."""
    decoders = [ChunkDecoder(name) for name in _FAMILIES]
    for first in range(0, len(records), chunk):
        some = records[first : first + chunk]
        for family, decoder in enumerate(decoders):
            events, rejections = decoder.decode_chunk([one.value for one in some if one.family == family])
            assert rejections == []
            yield family, [event for event in events if event is not None]


def finals(real: Real, chunk: int = 2_000, until: int | None = None) -> Iterator[list[KpiValue]]:
    """What became final, as a worker tells of it that reads so many records at a time; of events before ``until``
    (epoch ms) only."""
    plan = Plan(real.definitions)
    kernel, book = Kernel(plan, 0), SeriesBook(real.definitions, 1)
    if until is None and real.set.until is not None:
        until = round(real.set.until.timestamp() * 1000)
    records = [one for one in real.records if until is None or one.time < until]
    for family, events in _read(records, chunk):
        first = kernel.next_offsets[family]
        offsets = np.arange(first, first + len(events), dtype=np.int64)
        kernel.process(family, events, offsets, np.full(len(events), -1, dtype=np.int64))
        if family == len(_FAMILIES) - 1:
            for partial in kernel.drain():
                book.apply(partial)
            yield [value for value in book.advance() if value.revision == 0 and not value.rolling]


def judge(real: Real, say: Callable[[str], None], chunk: int = 2_000, until: int | None = None) -> Judged:
    """Judge a data set from its begin to ``until`` (epoch ms), or where the set is said to end."""
    watch = Watch(real.definitions, PAGES, business_calendar(real.config))
    desk = Desk(PAGES, sum(WEEK_MS / kpi.grain.ms for kpi in real.definitions.kpis))
    courses: dict[str, Course] = defaultdict(Course)
    strange: list[tuple[float, KpiValue]] = []
    alerts: list[KpiValue] = []
    told: list[KpiValue] = []
    pages: list[int] = []
    count, seconds, said = 0, 0.0, time.monotonic()
    begin, end = 1 << 62, 0
    for fresh in finals(real, chunk, until):
        for start, several in groupby(sorted(fresh, key=lambda value: value.start), key=lambda value: value.start):
            began = time.process_time()
            judged = watch.step(several)
            fired = [value for value in judged if value.alert]
            before = desk.pages
            told += desk.step(start, fired)
            seconds += time.process_time() - began
            alerts += fired
            pages += [start] * (desk.pages - before)
            begin, end, count = min(begin, start), max(end, judged[0].end), count + len(judged)
            series = Counter(value.kpi for value in judged)
            for value in judged:
                courses[value.series].add(value)
                surprise = value.surprise - (0.0 if value.alert else log10(series[value.kpi]))
                if surprise >= 1.0:
                    strange.append((surprise, value))
        if time.monotonic() - said > 5:
            said = time.monotonic()
            say(f"{real.set.name}: up to {datetime.fromtimestamp(end / 1000, UTC):%Y-%m-%d}, {count:,} values judged")
    return Judged(real, dict(courses), strange, alerts, told, pages, begin, end, count, seconds)
