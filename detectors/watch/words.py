"""What was seen, in a sentence."""

from __future__ import annotations

from detectors.calendar.business import Circumstances
from detectors.models.silence import odds
from detectors.watch.series import Look
from streams.kpis.grid import DAY_MS
from streams.kpis.units import duration, human, span
from streams.kpis.values import KpiValue

_OBSERVED = ("ratio", "seconds", "score")


class Words:
    """Says it in the units people read; ``currency`` is that of all money."""

    def __init__(self, currency: str) -> None:
        self._currency = currency

    def why(self, value: KpiValue, look: Look, around: Circumstances, surprise: float) -> str:
        """Why a value is strange: ``0 instead of 14 (9 to 20 is usual); 1 in 12,000``."""
        expected, evidence = look.expected, look.evidence
        if expected is None:
            return ""
        now, low, middle, high = (self._human(one, value) for one in (value.value, *expected[:3]))
        below = evidence.low > evidence.high
        grains = evidence.low_span if below else evidence.high_span
        band = f" ({low} to {high} is usual)"
        if below and look.quiet is not None:
            text = f"none for {duration(look.quiet.length / 1000)}, where {look.quiet.expected:.1f} are usual"
        elif grains > 1 and not look.cases:
            # Only a level rests on no cases. What adds up of it are its steps, wherever it stands.
            steps = "fell more, or rose less," if below else "rose more, or fell less,"
            text = f"{steps} than usual over {_lasting(value, grains)}, to {now}{band}"
        elif grains > 1:
            side = "little" if below else "much"
            text = f"too {side} over {_lasting(value, grains)}: now {now} instead of {middle}{band}"
        elif grains and not look.cases and expected.low <= (value.value or 0.0) <= expected.high:
            # A level is also judged by its last step.
            text = f"a sudden {'fall' if below else 'rise'} to {now}{band}"
        else:
            text = f"{now} instead of {middle}{band}"
        if value.weight and value.unit in _OBSERVED:
            text += f", {self._observed(value)}"
        if expected.borrowed >= 0.5:
            text += ", not much known of that time of the week"
        for name in (around.holiday, around.promotion, around.maintenance, around.outage):
            if name is not None:
                text += f", {name}"
        return f"{text}; {odds(10.0**-surprise)}"

    def _observed(self, value: KpiValue) -> str:
        """How many observations are behind it; of a ratio also how many were of the kind: of those, or for each."""
        if value.unit != "ratio" or len(value.parts) != 2:
            return f"of {value.weight:,}"
        upper, lower = value.parts
        return f"{upper:,} {'of' if upper <= lower else 'for'} {lower:,}"

    def _human(self, number: float | None, value: KpiValue) -> str:
        """As everywhere; of what is expected of a count, no more digits than tell something."""
        if number is not None and value.unit not in (*_OBSERVED, "money"):
            return f"{number:,.0f}" if abs(number) >= 9.5 else f"{number:.1f}".removesuffix(".0")
        return human(number, value.unit, self._currency)


def _lasting(value: KpiValue, grains: int) -> str:
    """How long so many grains are: a day when clocks change is a day."""
    length = value.end - value.start
    return span(grains * (max(1, round(length / DAY_MS)) * DAY_MS if length > 0.9 * DAY_MS else length))
