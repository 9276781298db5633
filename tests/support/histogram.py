"""Quantiles of histograms written down as ``bucket → count``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streams.kpis.sketch import BUCKETS, quantile_of


def quantile(counts: Mapping[int, int], q: float) -> float | None:
    """The q-quantile in milliseconds, None when there is nothing."""
    sums = np.zeros(BUCKETS, dtype=np.int64)
    for bucket, count in counts.items():
        sums[bucket] = count
    return quantile_of(np.cumsum(sums), q)
