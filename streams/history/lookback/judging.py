"""What a replay tells people: alerts and incidents, without a folder of results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from detectors.calendar.occasions import Occasion
from detectors.incidents.incident import Incident
from detectors.lookback.matching import Alert
from streams.history.replay.run import Progress, engine_of, news_of
from streams.history.replay.source import Source

if TYPE_CHECKING:
    from streams.config import Config


class Told(NamedTuple):
    """All alerts of a replay, and its incidents as they were at last."""

    alerts: list[Alert]
    incidents: list[Incident]


def judged(
    config: Config, source: Source, occasions: Iterable[Occasion] = (), progress: Progress = lambda done, of: None
) -> Told:
    """Replay under a configuration; ``occasions`` are known besides those of the archived calendar."""
    alerts: list[Alert] = []
    incidents: dict[str, Incident] = {}
    for news in news_of(config, engine_of(config, source, occasions=occasions), source, progress):
        alerts += [Alert.of(value) for value in news.values if value.alert]
        incidents.update((one.id, one) for one in news.incidents)
    return Told(alerts, list(incidents.values()))
