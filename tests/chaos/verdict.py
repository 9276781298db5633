"""What was told against what is true: pure, so that it can be shown to find what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from msgspec import Struct, field

from streams.kpis.definitions import KpiDefinition, stat_name
from streams.kpis.values import KpiValue
from tests.chaos.facts import Place
from tests.chaos.truth import Final, Rolling, Slice, Truth, Worth

MOST_SHOWN = 20
"""Differences that are written down in full."""


class Told(NamedTuple):
    """The newest of what was told of each value; and how often a final one was told at a revision it had been told
    at before with the same content, or with other content."""

    final: dict[Final, Worth]
    rolling: dict[Rolling, Worth]
    repeated: int
    restated: int


class Difference(Struct, frozen=True):
    """A value that is not what it must be; ``None`` where there is none."""

    what: str
    wanted: Worth | None
    found: Worth | None


class Comparison(Struct):
    """``values`` that were compared (those with something in them), and what differs: all in number, some in full."""

    values: int = 0
    wrong: int = 0
    missing: int = 0
    surplus: int = 0
    shown: list[Difference] = field(default_factory=list)
    by_kpi: dict[str, int] = field(default_factory=dict)

    @property
    def differences(self) -> int:
        """All of them."""
        return self.wrong + self.missing + self.surplus


class Events(Struct):
    """In events, over all types: how many there are, how many were not counted, how many once too often."""

    counted: int = 0
    lost: int = 0
    doubled: int = 0
    by_type: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Lost and doubled of each type that has any."""


class Letters(Struct):
    """Dead letters: records that must have one, those without, letters of records that must not have one, and how
    many were written more than once."""

    wanted: int = 0
    missing: int = 0
    surplus: int = 0
    repeated: int = 0
    shown: list[str] = field(default_factory=list)


class Shown(Struct):
    """What the workers' metrics show in the end: series that differ, that nobody shows, that should not be there,
    and that several show."""

    series: int = 0
    wrong: int = 0
    missing: int = 0
    surplus: int = 0
    shared: int = 0
    shown: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """All of them."""
        return self.wrong + self.missing + self.surplus + self.shared


def newest(values: Iterable[KpiValue]) -> Told:
    """Of a final value the highest revision, of equal ones the last told; of a rolling one the last told.

    Values come in the order of their series' partition. What is provisional of a grain is passed over."""
    final: dict[Final, KpiValue] = {}
    rolling: dict[Rolling, Worth] = {}
    repeated = restated = 0
    revisions: dict[tuple[Final, int], Worth] = {}
    for value in values:
        slice_: Slice = tuple(value.slice.items())
        worth: Worth = value.value, value.parts
        if value.rolling:
            rolling[value.kpi, value.stat, slice_, value.span] = worth
        elif value.status != "provisional":
            key: Final = (value.kpi, value.stat, slice_, value.span, value.start)
            known = revisions.setdefault((key, value.revision), worth)
            if known is not worth:
                repeated += known == worth
                restated += known != worth
                revisions[key, value.revision] = worth
            if key not in final or value.revision >= final[key].revision:
                final[key] = value
    return Told({key: (value.value, value.parts) for key, value in final.items()}, rolling, repeated, restated)


def compare(wanted: Mapping[Any, Worth], found: Mapping[Any, Worth]) -> Comparison:
    """Value by value, exactly. One with nothing in it and one that was never told of mean the same."""
    wanted, found = _told(wanted), _told(found)
    result = Comparison(values=len(wanted))
    kpis: Counter[str] = Counter()
    for key in sorted(wanted.keys() | found.keys()):
        mine, theirs = wanted.get(key), found.get(key)
        if mine == theirs:
            continue
        result.missing += theirs is None
        result.surplus += mine is None
        result.wrong += mine is not None and theirs is not None
        kpis[key[0]] += 1
        if len(result.shown) < MOST_SHOWN:
            result.shown.append(Difference(describe(key), mine, theirs))
    result.by_kpi = dict(kpis)
    return result


def events(wanted: Mapping[Final, Worth], found: Mapping[Final, Worth], counted: Collection[str]) -> Events:
    """Lost and doubled ones, grain by grain of the KPIs in ``counted``, each of which counts one type of event: one
    too few here does not make up for one too many there."""
    result = Events()
    for kpi in sorted(counted):
        lost = doubled = 0
        keys = {key for key in (*wanted, *found) if key[0] == kpi and not key[2]}
        for key in keys:
            true, told = _count(wanted.get(key)), _count(found.get(key))
            result.counted += true
            lost += max(0, true - told)
            doubled += max(0, told - true)
        if lost or doubled:
            result.by_type[kpi] = lost, doubled
        result.lost += lost
        result.doubled += doubled
    return result


def letters(wanted: Collection[Place], found: Iterable[Place]) -> Letters:
    """A letter for each record that must have one, at least once; for no other record."""
    written = Counter(found)
    missing, surplus = set(wanted) - written.keys(), written.keys() - set(wanted)
    return Letters(
        wanted=len(wanted),
        missing=len(missing),
        surplus=len(surplus),
        repeated=sum(count - 1 for count in written.values()),
        shown=[f"no letter of {place}" for place in sorted(missing)[:MOST_SHOWN]]
        + [f"a letter of {place}" for place in sorted(surplus)[:MOST_SHOWN]],
    )


def metrics(
    truth: Truth, kpis: Iterable[KpiDefinition], told: Mapping[str, Mapping[tuple[str, Slice], float]]
) -> Shown:
    """What the metrics must be in the end, against ``told``: by worker, what each (metric, labels that have a value)
    shows, rolling values only. Zero and absent mean the same of a count, so zeros are left out on both sides."""
    names = {kpi.name: kpi for kpi in kpis}
    wanted = {}
    for (kpi, stat, slice_, span), (value, _) in truth.rolling.items():
        if value:
            wanted[exported(names[kpi], stat, slice_, span)] = value
    by_series: dict[tuple[str, Slice], dict[str, float]] = {}
    for worker, shown in told.items():
        for series, value in shown.items():
            by_series.setdefault(series, {})[worker] = value
    result = Shown(series=len(wanted))
    for series in sorted(wanted.keys() | by_series.keys()):
        workers, true = by_series.get(series, {}), wanted.get(series)
        shared = len(workers) > 1
        result.shared += shared
        values = set(workers.values()) - {0.0}
        if true is None:
            fault = bool(values)
            result.surplus += fault
        elif not values:
            fault = True
            result.missing += 1
        else:
            fault = values != {true}
            result.wrong += fault
        if (fault or shared) and len(result.shown) < MOST_SHOWN:
            result.shown.append(f"{series[0]}{dict(series[1])}: wanted {true}, found {workers}")
    return result


def exported(kpi: KpiDefinition, stat: str, slice_: Slice, span: str) -> tuple[str, Slice]:
    """A rolling value's metric and the labels that say something."""
    suffix = "_seconds" if kpi.unit == "seconds" and not kpi.name.endswith("_seconds") else ""
    quantile = {stat_name(q): f"{q:g}" for q in kpi.quantiles}.get(stat)
    labels = {**dict(slice_), "window": span} | ({} if quantile is None else {"quantile": quantile})
    return f"daybook_{kpi.name}{suffix}", tuple(sorted(labels.items()))


def describe(key: Final | Rolling) -> str:
    """A value's name for people: ``kpi.stat{dimension=value}@span+start``."""
    kpi, stat, slice_, span, *start = key
    inner = ",".join(f"{name}={text}" for name, text in slice_)
    mark = f"@{span}+{start[0]}" if start else f"~{span}"
    return f"{kpi}{'' if stat == 'value' else f'.{stat}'}{'{' + inner + '}' if inner else ''}{mark}"


def _told(values: Mapping[Any, Worth]) -> dict[Any, Worth]:
    return {key: worth for key, worth in values.items() if any(worth[1])}


def _count(worth: Worth | None) -> int:
    return 0 if worth is None else worth[1][0]
