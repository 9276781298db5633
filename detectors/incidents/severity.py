"""How bad an incident is."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.incidents.incident import Severity, Symptom, severity_of
from detectors.incidents.stages import Stage
from streams.kpis.grid import HOUR_MS

FAINT = 4.0
"""Below this surprise, one in ten thousand, a single alert says little."""
SHORT_MS = 6 * HOUR_MS
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""The lightest first."""


def graver(one: Severity, than: Severity) -> bool:
    """Whether a severity is higher than another."""
    return SEVERITIES.index(one) > SEVERITIES.index(than)


def weigh(symptoms: Iterable[tuple[Symptom, Stage]]) -> Severity:
    """Of what was told of, each with the stage it shows at.

    ``critical`` is what is one in a million by chance. ``info`` is a single KPI, faintly and not for long, and not one
    of orders coming in or being paid: nobody has to get up for it. It is a warning as soon as it is more than that.
    Raises ``ValueError`` where nothing was told of.
    """
    told = list(symptoms)
    found = severity_of(one for one, _ in told)
    lasted = max(one.until for one, _ in told) - min(one.since for one, _ in told)
    faint = len({one.kpi for one, _ in told}) == 1 and all(one.surprise < FAINT for one, _ in told)
    behind = all(stage > Stage.PAYMENT for _, stage in told)
    return "info" if faint and behind and lasted <= SHORT_MS else found
