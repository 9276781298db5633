"""From changed cells to partials: packed keys become names again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streams.kpis.cells import unpack, unpack_slice
from streams.kpis.dictionary import Dictionary
from streams.kpis.partials import Partial
from streams.kpis.plan import Plan

I64 = npt.NDArray[np.int64]


def tell(
    plan: Plan,
    dictionaries: Sequence[Dictionary],
    rows: I64,
    partition: int,
    sequence: int,
    as_of: tuple[int, int, int],
    began: int | None,
    watermark: int | None,
    idle: bool,
) -> list[Partial]:
    """One partial for each KPI, with its cells among ``rows`` (n, 3): series, pane, value."""
    series, pane, value = rows.T
    measure, bucket, group_codes = unpack(series)
    kpi, place = plan.kpi_of_measure[measure], plan.place_of_measure[measure]
    order = np.argsort(kpi, kind="stable")
    bounds = np.searchsorted(kpi[order], np.arange(len(plan.kpis) + 1))
    partials = []
    for number, definition in enumerate(plan.kpis):
        mine = order[bounds[number] : bounds[number + 1]]
        distinct, slice_ = np.unique(group_codes[mine], return_inverse=True)
        cells = np.empty((mine.size, 5), dtype="<i8")
        cells[:, 0] = place[mine]
        cells[:, 1] = slice_
        cells[:, 2] = bucket[mine]
        cells[:, 3] = pane[mine]
        cells[:, 4] = value[mine]
        partials.append(
            Partial(
                kpi=definition.name,
                partition=partition,
                as_of=as_of,
                began=began,
                watermark=watermark,
                idle=idle,
                slices=[_slice(plan, dictionaries, number, int(packed)) for packed in distinct],
                cells=cells.tobytes(),
                plan=plan.fingerprint,
                sequence=sequence,
            )
        )
    return partials


def _slice(plan: Plan, dictionaries: Sequence[Dictionary], kpi: int, packed: int) -> list[tuple[str, str]]:
    group, *codes = unpack_slice(packed)
    dimensions = plan.groups_of_kpi[kpi][group]
    return [
        (plan.dimensions[dimension], dictionaries[dimension].name(code))
        for dimension, code in zip(dimensions, codes, strict=False)
    ]
