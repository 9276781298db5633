"""What was seen, in a sentence."""

from __future__ import annotations

from detectors.calendar.business import Circumstances
from detectors.models.silence import odds
from detectors.watch.series import Look
from streams.kpis.units import duration, human
from streams.kpis.values import KpiValue


class Words:
    """Says it in the units people read; ``currency`` is that of all money."""

    def __init__(self, currency: str) -> None:
        self._currency = currency

    def why(self, value: KpiValue, look: Look, around: Circumstances, surprise: float) -> str:
        """Why a value is strange: ``0 instead of 14 (9 to 20 are usual), 1 in 12,000``."""
        expected, evidence = look.expected, look.evidence
        if expected is None:
            return ""
        low, middle, high = (self._human(one, value) for one in expected[:3])
        text = f"{self._human(value.value, value)} instead of {middle} ({low} to {high} is usual)"
        below = evidence.low > evidence.high
        span = evidence.low_span if below else evidence.high_span
        if below and look.quiet is not None:
            text = f"none for {duration(look.quiet.length / 1000)}, where {look.quiet.expected:.1f} are usual"
        elif span > 1:
            text = f"too {'little' if below else 'much'} for {span} grains in a row: lately {text}"
        if value.weight and value.unit in ("ratio", "seconds", "score"):
            text += f", of {value.weight:,}"
        if expected.borrowed >= 0.5:
            text += f", {expected.borrowed:.0%} borrowed"
        for name in (around.holiday, around.promotion, around.maintenance, around.outage):
            if name is not None:
                text += f", {name}"
        return f"{text}; {odds(10.0**-surprise)}"

    def _human(self, number: float | None, value: KpiValue) -> str:
        return human(number, value.unit, self._currency)
