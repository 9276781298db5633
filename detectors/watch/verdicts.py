"""What people made of alerts: it makes the next ones easier or harder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from detectors.incidents.feedback import Feedback, What

COUNTED: tuple[What, ...] = ("confirmed", "false_alarm", "missed")
"""What says something of how good the alerts are."""


class Verdict(NamedTuple):
    """``number`` is where it stands among all that was said; later ones have higher ones."""

    number: int
    what: What


class Verdicts:
    """By KPI, in the order in which they were given."""

    def __init__(self) -> None:
        # Replaced as a whole, never changed: whoever asks sees one state, in whatever thread.
        self._by_kpi: dict[str, tuple[Verdict, ...]] = {}

    def put(self, number: int, said: Feedback) -> None:
        """Take in what somebody said. What was taken in before does not count again."""
        if said.what not in COUNTED:
            return
        verdict = Verdict(number, said.what)
        self._by_kpi = {
            **self._by_kpi,
            **{
                kpi: (*known, verdict)
                for kpi in dict.fromkeys(said.kpis)
                if not (known := self._by_kpi.get(kpi, ())) or known[-1].number < number
            },
        }

    def after(self, kpi: str, number: int) -> Sequence[Verdict]:
        """Those on a KPI that are later than a number."""
        return [one for one in self._by_kpi.get(kpi, ()) if one.number > number]
