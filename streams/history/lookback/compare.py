"""The same history under two configurations."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from detectors.lookback.matching import Alert, Kind, Pair, match
from streams.events.times import format_time
from streams.history.lookback.runs import KpiDifference, alerts_of, differences, incidents_of


class Comparison(NamedTuple):
    """What two runs of the same history make of it: ``pairs`` are all alerts, by time; ``kpis`` those with values that
    differ; ``incidents`` how many there are before and after."""

    pairs: list[Pair]
    kpis: list[KpiDifference]
    incidents: tuple[int, int]

    @property
    def differs(self) -> bool:
        """Whether anybody would notice: alerts or values."""
        return bool(self.kpis) or any(pair.differs for pair in self.pairs)

    @property
    def counts(self) -> dict[Kind, int]:
        """How many pairs there are of a kind."""
        return dict(Counter(pair.kind for pair in self.pairs))

    def plain(self) -> dict[str, Any]:
        """For programs; times are RFC 3339."""
        return {
            "differs": self.differs,
            "counts": self.counts,
            "alerts": [
                {"kind": pair.kind, "before": plain(pair.before), "after": plain(pair.after)} for pair in self.pairs
            ],
            "kpis": [one._asdict() for one in self.kpis],
            "incidents": {"before": self.incidents[0], "after": self.incidents[1]},
        }


def compare(before: Path, after: Path) -> Comparison:
    """Of two folders that replays have written. Raises :class:`~streams.history.lookback.runs.RunError`."""
    return Comparison(
        match(alerts_of(before), alerts_of(after)),
        differences(before, after),
        (len(incidents_of(before)), len(incidents_of(after))),
    )


def plain(alert: Alert | None) -> dict[str, Any] | None:
    """An alert for programs."""
    if alert is None:
        return None
    return {
        "kpi": alert.kpi,
        "stat": alert.stat,
        "slice": dict(alert.slice),
        "start": format_time(alert.start),
        "end": format_time(alert.end),
        "surprise": alert.surprise,
        "why": alert.why,
    }
