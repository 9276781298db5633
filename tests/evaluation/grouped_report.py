"""What alerts of simulated shops are grouped into, in tables: by size of the shop, and by kind of incident."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from statistics import median
from typing import NamedTuple

from streams.kpis.grid import HOUR_MS
from tests.benchmarks.figures import table
from tests.evaluation import grouped, judged, record, recording, shop, watched
from tests.evaluation.grouped import Outcome, Told
from tests.evaluation.shops import ShopsError
from tests.evaluation.truth import known

TUNED = frozenset({*((300, seed) for seed in range(1, 13)), (3_000, 1), (3_000, 2)})
"""The shops, by size and seed, that were looked at while the grouping was written."""
SLICE = 0.9
"""The share of found incidents whose slice is to be right."""


class _Shop(NamedTuple):
    size: int
    seed: int
    told: Told

    @property
    def tuned(self) -> bool:
        return (self.size, self.seed) in TUNED


def measure(sizes: Sequence[int], seeds: Iterable[int], processes: int, *, stale: bool = False) -> str:
    """Record and judge what is missing (not with ``stale``: then shops that are not recorded are left out), group, and
    give the tables. Raises :class:`ShopsError` where no shop is recorded."""
    seeds = list(seeds)
    if not stale:
        record.complete(sizes, seeds, processes, _say)
    shops = watched.recorded(sizes, seeds, stale=stale)
    if not shops:
        raise ShopsError("no shop is recorded: leave out --stale, or run python -m tests.evaluation.record")
    found = []
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_shop, one) for one in shops]
        for number, done in enumerate(as_completed(waiting), 1):
            found.append(done.result())
            _say(f"{number}/{len(shops)} grouped")
    found.sort()
    return "\n\n".join((by_size(found), by_kind([one for shop in found for one in shop.told.outcomes])))


def _say(text: str) -> None:
    print(text, flush=True)


def _shop(of: watched.Shop) -> _Shop:
    troubled, usual = recording.load(of.troubled), recording.load(of.usual)
    definitions = recording.definitions()
    ours = grouped.group(judged.hours(judged.make(of.troubled)), definitions)
    since = int(troubled.starts[0]) + shop.LEARNING_WEEKS * shop.WEEK
    told = grouped.outcomes(
        ours,
        known(troubled, usual, definitions),
        troubled.labels,
        (of.size, of.seed),
        (since, int(troubled.starts[-1]) + 1),
    )
    return _Shop(of.size, of.seed, told)


def by_size(shops: Sequence[_Shop]) -> str:
    """One row for each size, those that were looked at apart, and one for all others."""
    rows = []
    for size in sorted({one.size for one in shops}):
        for tuned in (True, False):
            rows += _row(f"{size:,}", tuned, [one for one in shops if (one.size, one.tuned) == (size, tuned)])
    rows += _row("all", False, [one for one in shops if not one.tuned])
    head = (
        "orders a day",
        "shops",
        "visible",
        "found",
        "one incident",
        "incidents for each",
        f"slice right (≥ {SLICE:.0%})",
        "cause right",
        "of two causes",
        "median delay, h",
        "messages for each",
        "false a week",
        "of these for information",
    )
    return table(head, rows)


def _row(size: str, tuned: bool, shops: Sequence[_Shop]) -> list[tuple[object, ...]]:
    if not shops:
        return []
    outcomes = [one for shop in shops for one in shop.told.outcomes]
    found = [one for one in outcomes if one.found]
    false = [one for shop in shops for one in shop.told.false]
    weeks = sum(shop.told.weeks for shop in shops)
    right = sum(one.right_slice for one in found) / max(1, len(found))
    return [
        (
            size,
            f"{len(shops)} looked at" if tuned else f"{len(shops)} others",
            len(outcomes),
            len(found),
            _share(found, [one for one in found if len(one.about) == 1]),
            f"{sum(len(one.about) for one in found) / max(1, len(found)):.2f}",
            f"{right:.0%} {'✓' if right >= SLICE else '✗'}",
            _share(found, [one for one in found if one.right_cause]),
            sum(one.mixed for one in found),
            _delay(found),
            f"{sum(one.messages for one in found) / max(1, len(found)):.1f}",
            f"{len(false) / weeks:.2f}",
            _share(false, [one for one in false if one.severity == "info"]),
        )
    ]


def by_kind(outcomes: Sequence[Outcome]) -> str:
    """By kind of incident, in all shops."""
    rows = []
    for kind in sorted({one.label.kind for one in outcomes}):
        of = [one for one in outcomes if one.label.kind == kind]
        found = [one for one in of if one.found]
        rows.append(
            (
                kind,
                f"{len(found)} of {len(of)}",
                _share(found, [one for one in found if len(one.about) == 1]),
                _share(found, [one for one in found if one.right_slice]),
                _share([one for one in found if one.label.scope], [one for one in found if one.named]),
                _share(found, [one for one in found if one.right_cause]),
                _delay(found),
                _share(found, [one for one in found if one.about[0].severity == "info"]),
            )
        )
    head = (
        "kind of incident",
        "found",
        "one incident",
        "slice right",
        "named where it was one slice",
        "cause right",
        "median delay, h",
        "for information",
    )
    return table(head, rows)


def _share(all_: Sequence[object], some: Sequence[object]) -> str:
    return f"{len(some)} of {len(all_)}" if all_ else "-"


def _delay(found: Sequence[Outcome]) -> str:
    return f"{median(one.delay / HOUR_MS for one in found if one.delay is not None):.1f}" if found else "-"
