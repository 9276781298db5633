"""What the labels of a simulated shop say of its series, held against the same shop without the incidents.

With and without an incident a simulated shop is the same one: customers, parcels and tickets have the same fate, and
what differs is the incident's doing. So of every series and grain it is known what it would have been.

Which series an incident moves is said by the simulator's label (the KPIs that must move, and those that may) and by its
scope: an outage of one carrier moves that carrier's series, the regions' it brings parcels to, and the total. Of those
the ones count that did differ, from the first grain in which they do; of those that only may, by as much as they vary.

Until when follows from what an incident does (:data:`SETTLES`): parcels that were held up come over the two days after
an outage, on delivery days only, and their lateness shows when they come; an unpaid order is cancelled a day later;
customers write the next morning, and their tickets are answered after that. The spans were held against where the
difference to the other shop lies: 95 % of it, of most KPIs, in most runs.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.evaluation.incidents import Known, Window
from streams.events.times import parse_time
from streams.ingest.simulator import Label, Shop
from streams.kpis.definitions import Definitions, LevelKpi
from tests.evaluation.recording import Recording, Series

HOUR = 3_600_000
F64 = npt.NDArray[np.float64]

SETTLES: dict[str, tuple[int, dict[str, int]]] = {
    # Two days of backlog, brought on delivery days; what was not collected leaves with the next collection.
    "courier_outage": (72, {"deliveries_dispatched": 24, "time_to_ship": 24}),
    # What failed failed at once, but is cancelled a day later; some write.
    "payment_failures": (24, {"payment_failure_ratio": 1, "cancellation_ratio": 36}),
    # What was not packed has left the house after a day or two and is brought after that.
    "warehouse_stop": (72, {"deliveries_dispatched": 48, "time_to_ship": 48}),
    # The agents work off what has waited.
    "support_understaffed": (24, {}),
    # Nothing that was withheld for more than the allowed lateness is ever counted: a new level, that will be usual.
    "tracking_feed_silent": (72, {}),
    # The orders come again at once; that there are fewer open shows until they would have been delivered.
    "website_down": (24, {"orders_placed": 1, "revenue": 1, "orders_open": 72}),
    "promotion": (72, {"orders_placed": 1, "revenue": 1}),
}
"""Hours after its end in which an alert is still about an incident: by kind, for all KPIs and for some."""
_LONGEST = 72
TOPICS = {
    "courier_outage": ("where_is_my_order", "late_delivery"),
    "warehouse_stop": ("where_is_my_order", "late_delivery"),
    "payment_failures": ("payment",),
    "website_down": ("website",),
}
"""What customers write about because of an incident. Tickets of all topics wait longer when there are more of them, so
this narrows ``tickets_opened`` only."""
QUEUES = {
    "courier_outage": ("shipping",),
    "warehouse_stop": ("shipping",),
    "payment_failures": ("payments",),
    "website_down": ("sales",),
}
_MUCH = 3.0
"""A difference shows when it is so many times what the series varies by at those hours of the week."""
_CASES = 3
"""And rests on so many orders, parcels or tickets, however quiet the series is."""
_LITTLE = 1.0
"""What need not move has been moved when the difference is so many times what it varies by."""
_SPANS = (1, 3, 6, 12, 24)
"""Over how many grains a difference may add up until it shows: an order an hour that is missing, twelve hours long."""


class _Twin(NamedTuple):
    """Two shops compared; all have the shape (series, grains), rows are the troubled shop's.

    ``difference`` is 0 where a series was not told of or nothing was observed, ``other`` says where the two differ at
    all. ``varies`` is the standard deviation of one value, ``weight`` what its part in a sum is, ``cases`` how many
    orders, parcels or tickets the difference rests on: by sign where they can cancel. ``levels`` says which rows are
    levels: what they are off by stays, and does not add up.
    """

    difference: F64
    other: npt.NDArray[np.bool_]
    varies: F64
    weight: F64
    cases: F64
    levels: npt.NDArray[np.bool_]


def known(troubled: Recording, usual: Recording, kpis: Definitions, shop: Shop | None = None) -> list[Known]:
    """The incidents of a shop, from its labels and from the same shop without them. Raises ``ValueError`` where the two
    are not of the same weeks."""
    shop = shop or Shop()
    levels = {kpi.name for kpi in kpis.kpis if isinstance(kpi, LevelKpi)}
    # Whether the last hour is over by the last heartbeat is a matter of seconds.
    last = min(int(troubled.ends[-1]), int(usual.ends[-1]))
    troubled, usual = troubled.until(last), usual.until(last)
    twin = _compare(troubled, usual, levels)
    return [
        _known(label, f"{number}: {label.name}", troubled, twin, shop) for number, label in enumerate(troubled.labels)
    ]


def _known(label: Label, name: str, recording: Recording, twin: _Twin, shop: Shop) -> Known:
    start, end = parse_time(label.start), parse_time(label.end)
    moves: dict[str, Window] = {}
    consequences: dict[str, Window] = {}
    traces, shows = [], []
    # Without an effect there is nothing to find; nothing can be found before the first.
    if label.first_effect is not None:
        begin = int(np.argmax(recording.ends > parse_time(label.first_effect)))
        differs, times = _since(begin, twin)
        settles, special = SETTLES[label.kind]
        starts = recording.starts[begin:]
        for row, series in enumerate(recording.series):
            meant = _meant(label, series, shop)
            until = end + HOUR * (special.get(series.kpi, settles) if meant else _LONGEST)
            must = meant and series.kpi in label.kpis
            moved = (starts < until) & (differs[row] if must else times[row] >= _LITTLE)
            if not moved.any():
                continue
            first = int(starts[np.argmax(moved)])
            (moves if meant else consequences)[series.name] = Window(first, until)
            if meant:
                traces.append(first)
                plain = (starts < until) & (times[row] >= _MUCH)
                if plain.any():
                    shows.append(int(starts[np.argmax(plain)]))
    return Known(
        name=name,
        kind=label.kind,
        nature=label.nature,
        start=start,
        end=end,
        traces=min(traces, default=None),
        shows=min(shows, default=None),
        moves=moves,
        consequences=consequences,
    )


def _since(begin: int, twin: _Twin) -> tuple[npt.NDArray[np.bool_], F64]:
    """From a grain on: where the shops differ, and by how many times what the series vary by, over whichever of
    :data:`_SPANS` it is most."""
    rows = twin.levels[:, None]
    # What is left of earlier incidents is not this one's doing.
    before = twin.difference[:, begin - 1 : begin] if begin else np.zeros((len(twin.levels), 1))
    here = twin.difference[:, begin:]
    difference = np.where(rows, here - before, here)
    differs = np.where(rows, difference != 0, twin.other[:, begin:])
    cases = np.where(rows, difference, twin.cases[:, begin:])
    weight, varies = twin.weight[:, begin:], twin.varies[:, begin:]
    most = np.zeros_like(difference)
    for span in _SPANS:
        moved = np.abs(_trailing(weight * difference, span))
        usually = np.sqrt(_trailing((weight * varies) ** 2, span))
        enough = (np.abs(_trailing(cases, span)) >= _CASES) & (usually > 0)
        times = np.where(enough, moved / np.where(usually > 0, usually, 1.0), 0.0)
        most = np.maximum(most, np.where(rows & (span > 1), 0.0, times))
    return differs, most


def _trailing(values: F64, span: int) -> F64:
    """Of each row the sum of the last ``span`` columns, at the beginning of as many as there are."""
    sums = np.cumsum(values, axis=1)
    sums[:, span:] -= sums[:, :-span].copy()
    return sums


def _meant(label: Label, series: Series, shop: Shop) -> bool:
    """Whether a label speaks of a series."""
    if series.kpi not in label.kpis and series.kpi not in label.also:
        return False
    scope = hit(label, shop)
    if series.kpi == "tickets_opened":
        scope["topic"] = set(TOPICS.get(label.kind, ())) or scope.get("topic", set())
        scope["queue"] = set(QUEUES.get(label.kind, ())) or scope.get("queue", set())
    elif label.kind != "support_understaffed" and series.kpi in _DESK:
        # All wait for the same agents.
        scope = {}
    return all(value in (scope.get(name) or {value}) for name, value in series.slice.items())


def hit(label: Label, shop: Shop) -> dict[str, set[str]]:
    """By dimension the values that an incident hits, where it does not hit all: those it is narrowed to, and the
    regions that follow from them."""
    found = {"payment_method" if name == "method" else name: set(values) for name, values in label.scope.items()}
    if "warehouse" in found:
        found["region"] = {name for name, region in shop.regions.items() if region.warehouse in found["warehouse"]}
    if "carrier" in found and "region" not in found:
        found["region"] = {name for name, region in shop.regions.items() if found["carrier"] & region.carriers.keys()}
    return found


_DESK = (
    "tickets_answered",
    "tickets_open",
    "first_response_time",
    "resolution_time",
    "answered_in_4h",
    "reopen_ratio",
    "satisfaction",
)


def _compare(troubled: Recording, usual: Recording, levels: Collection[str]) -> _Twin:
    rows = {series.name: row for row, series in enumerate(usual.series)}
    if not np.array_equal(troubled.starts, usual.starts):
        raise ValueError("the two recordings are not of the same weeks")
    shape = troubled.value.shape
    twin = _Twin(
        difference=np.zeros(shape),
        other=np.zeros(shape, dtype=np.bool_),
        varies=np.zeros(shape),
        weight=np.ones(shape),
        cases=np.zeros(shape),
        levels=np.array([series.kpi in levels for series in troubled.series], dtype=np.bool_),
    )
    for row, series in enumerate(troubled.series):
        other = rows.get(series.name)
        here, weight = troubled.value[row], troubled.weight[row]
        there = np.full_like(here, np.nan) if other is None else usual.value[other]
        weight_there = np.zeros_like(weight) if other is None else usual.weight[other]
        counted = series.unit not in ("ratio", "seconds", "score", "money")
        if counted or series.kpi == "revenue":
            # Of these, nothing told is nothing there.
            here, there = np.nan_to_num(here), np.nan_to_num(there)
        twin.other[row] = ~((here == there) | (np.isnan(here) & np.isnan(there)))
        twin.difference[row] = np.nan_to_num(here - there)
        varies = _varies(there)
        if counted:
            twin.cases[row] = here - there
            varies = np.maximum(varies, np.sqrt(np.maximum(there, 1.0)))
        elif series.kpi == "revenue":
            twin.cases[row] = weight - weight_there
        else:
            twin.cases[row] = np.minimum(weight, weight_there)
            twin.weight[row] = twin.cases[row]
        if series.unit == "ratio":
            share = np.clip(np.nan_to_num(there), 0.02, 0.98)
            varies = np.maximum(varies, np.sqrt(share * (1 - share) / np.maximum(weight, 1)))
        twin.varies[row] = varies
    return twin


def _varies(values: F64) -> F64:
    """The standard deviation from week to week at each hour of the week, of it and its neighbours."""
    weeks = len(values) // 168
    table = np.full((weeks + 1) * 168, np.nan)
    table[: len(values)] = values
    table = table.reshape(-1, 168)
    count = np.sum(~np.isnan(table), axis=0)
    filled = np.nan_to_num(table)
    mean = filled.sum(axis=0) / np.maximum(count, 1)
    square = np.where(np.isnan(table), 0.0, (table - mean) ** 2).sum(axis=0)
    # The mean took one of the weeks.
    around = [sum(np.roll(array, shift) for shift in (-2, -1, 0, 1, 2)) for array in (square, np.maximum(count - 1, 0))]
    overall = square.sum() / max(1, int(np.maximum(count - 1, 0).sum()))
    variance = np.where(around[1] >= 5, around[0] / np.maximum(around[1], 1), overall)
    found: F64 = np.sqrt(np.maximum(np.tile(variance, weeks + 1)[: len(values)], 1e-12))
    return found
