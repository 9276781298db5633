"""From changed cells to partials: packed keys become names again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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
    measure = series >> 50
    kpi, place = plan.kpi_of_measure[measure], plan.place_of_measure[measure]
    order = np.argsort(kpi, kind="stable")
    bounds = np.searchsorted(kpi[order], np.arange(len(plan.kpis) + 1))
    partials = []
    for number, definition in enumerate(plan.kpis):
        mine = order[bounds[number] : bounds[number + 1]]
        # Group and both codes without measure and bucket.
        group_codes = ((series[mine] >> 44 & 0x3F) << 32) | (series[mine] & 0xFFFF_FFFF)
        distinct, slice_ = np.unique(group_codes, return_inverse=True)
        cells = np.empty((mine.size, 5), dtype="<i8")
        cells[:, 0] = place[mine]
        cells[:, 1] = slice_
        cells[:, 2] = series[mine] >> 32 & 0xFFF
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
    dimensions = plan.groups_of_kpi[kpi][packed >> 32]
    codes = (packed >> 16 & 0xFFFF, packed & 0xFFFF)
    return [
        (plan.dimensions[dimension], dictionaries[dimension].name(code))
        for dimension, code in zip(dimensions, codes, strict=False)
    ]
