"""What a KPI's watch makes of one value."""

from __future__ import annotations

from typing import NamedTuple

from detectors.calendar.business import Circumstances
from detectors.models.model import Reading
from detectors.watch.judgement import Held
from detectors.watch.series import Look, SeriesWatch
from streams.kpis.values import KpiValue


class Seen(NamedTuple):
    """How strange a value is by itself, before its KPI is judged as a whole."""

    value: KpiValue
    series: SeriesWatch
    x: Reading
    look: Look
    around: Circumstances
    bad: float
    """The surprise of it for the worse."""
    both: float
    """The surprise of it, whichever way."""
    raw: float
    """What that was calibrated from."""
    unheld: float = 0.0
    """What ``bad`` would be if nothing held it."""
    held: Held = "unknown"
    cases: float = 0.0
