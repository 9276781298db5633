"""Under which conditions a replay was made: what is needed to read its results without the configuration at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from streams import __version__
from streams.errors import DaybookError
from streams.kpis.definitions import KpiDefinition, stat_name
from streams.kpis.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.config import Config

FILE = "conditions.json"


class ConditionsError(DaybookError):
    """What the conditions were cannot be read: the message names the file."""


class Measured(msgspec.Struct, frozen=True):
    """A KPI as it was configured: the goal's bounds are in its ``unit``, for the statistic ``goal_stat``."""

    name: str
    unit: str
    description: str = ""
    goal_min: float | None = None
    goal_max: float | None = None
    goal_stat: str = "value"


class Conditions(msgspec.Struct, frozen=True):
    """The ``configuration`` file, and what of it tells what the results mean; ``fingerprint`` is the same for the same
    definitions of KPIs. ``per_week`` is how often one was to be told of something, ``own`` has the KPIs that had
    settings of their own. ``source`` is where the events are from, ``gaps`` what is missing of them, in words;
    ``detect`` is whether values were judged."""

    version: str
    business: str
    timezone: str
    currency: str
    configuration: str
    fingerprint: str
    per_week: float
    own: tuple[str, ...]
    source: str
    gaps: tuple[str, ...]
    detect: bool
    kpis: tuple[Measured, ...]

    def write(self, folder: Path) -> None:
        """Write them to the folder of the results."""
        (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")


def conditions_of(config: Config, source: str, gaps: Iterable[str], detect: bool = True) -> Conditions:
    """Those of a configuration; ``detect``: whether values are judged."""
    return Conditions(
        version=__version__,
        business=config.business.name,
        timezone=config.business.timezone,
        currency=config.business.currency,
        configuration=str(config.source),
        fingerprint=Plan(config.definitions()).fingerprint,
        per_week=config.alerts.per_week,
        own=tuple(sorted(config.alerts.kpis)),
        source=source,
        gaps=tuple(gaps),
        detect=detect,
        kpis=tuple(_measured(kpi) for kpi in config.kpis),
    )


def read_conditions(folder: Path) -> Conditions:
    """Those in the folder of the results. Raises :class:`ConditionsError`."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Conditions)
    except OSError as error:
        raise ConditionsError(
            f"{path}: cannot be read ({error.strerror}); expected what daybook replay --out wrote"
        ) from None
    except msgspec.MsgspecError as error:
        raise ConditionsError(f"{path}: {error}") from None


def _measured(kpi: KpiDefinition) -> Measured:
    # A duration's goal is for its highest quantile.
    stat = stat_name(kpi.quantiles[-1]) if kpi.quantiles else "value"
    return Measured(kpi.name, kpi.unit, kpi.description, kpi.goal_min, kpi.goal_max, stat)
