"""Panels as all dashboards here have them: with a unit, a description, and words for where there is nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from zlib import crc32

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.grafana.names import DATASOURCE_UID

WIDTH = 24
"""Columns of a dashboard."""
HEIGHT = 8
SOURCE = common.DataSourceRef(type_val="prometheus", uid=DATASOURCE_UID)

Panel = timeseries.Panel | stat.Panel | table.Panel | statetimeline.Panel
_P = TypeVar("_P", timeseries.Panel, stat.Panel, table.Panel, statetimeline.Panel)


@dataclass(frozen=True)
class Ask:
    """One query of a panel. ``legend`` names its series: plain, or with labels as ``{{region}}``."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Card:
    """What every panel says of itself. ``key`` tells it from all others of its dashboard, whatever its place; ``unit``
    is Grafana's name of one; ``empty`` is shown where there is nothing."""

    key: str
    title: str
    description: str
    unit: str
    empty: str
    width: int = 12
    links: tuple[builders.DashboardLink, ...] = ()


def number_of(key: str) -> int:
    """The id of the panel with that key. Links hold it: it stays where KPIs are added or moved."""
    return crc32(key.encode()) >> 1


def over_time(card: Card, asks: Sequence[Ask]) -> timeseries.Panel:
    """Lines over time, with the last value of each below."""
    legend = (
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull"])
    )
    tooltip = (
        common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    )
    panel = timeseries.Panel().fill_opacity(0).show_points(common.VisibilityMode.NEVER).legend(legend).tooltip(tooltip)
    # A worker that is restarted leaves a hole of some seconds, which is not to be seen as one.
    panel = panel.span_nulls(60_000.0)
    for target in _targets(asks):
        panel = panel.with_target(target)
    return _titled(panel, card)


def now(card: Card, asks: Sequence[Ask], steps: Sequence[dashboard.Threshold] = ()) -> stat.Panel:
    """The newest value, large; ``steps`` say from where on which colour."""
    panel = stat.Panel().graph_mode(common.BigValueGraphMode.AREA)
    panel = panel.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    panel = panel.thresholds(_thresholds(steps))
    for target in _targets(asks):
        panel = panel.with_target(target)
    return _titled(panel, card)


def listed(card: Card, ask: Ask, columns: Sequence[tuple[str, str]]) -> table.Panel:
    """A table of what is so now: labels and their headings, from left to right, then the value as ``Value``."""
    query = _query(ask, "A").instant().format(PromQueryFormat.TABLE)
    names = dict(columns)
    order = {label: place for place, (label, _) in enumerate(columns)}
    arranged = dashboard.DataTransformerConfig(
        id_val="organize", options={"renameByName": names, "indexByName": order, "excludeByName": {"Time": True}}
    )
    return _titled(table.Panel().with_target(query).with_transformation(arranged), card)


def states(card: Card, asks: Sequence[Ask]) -> statetimeline.Panel:
    """When something was so, as bars: one for each series."""
    panel = statetimeline.Panel().show_value(common.VisibilityMode.NEVER).row_height(0.8)
    panel = panel.thresholds(_thresholds([dashboard.Threshold(value=1.0, color="red")]))
    for target in _targets(asks):
        panel = panel.with_target(target)
    return _titled(panel, card)


def _titled(panel: _P, card: Card) -> _P:
    panel = panel.id(number_of(card.key)).title(card.title).description(card.description).datasource(SOURCE)
    panel = panel.unit(card.unit).no_value(card.empty).height(HEIGHT).span(card.width)
    return panel.links(list(card.links)) if card.links else panel


def _targets(asks: Sequence[Ask]) -> Iterator[prometheus.Dataquery]:
    for place, ask in enumerate(asks):
        yield _query(ask, chr(ord("A") + place)).range()


def _query(ask: Ask, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(ask.expr).legend_format(ask.legend).ref_id(ref).datasource(SOURCE)


def _thresholds(steps: Sequence[dashboard.Threshold]) -> builders.ThresholdsConfig:
    # The first one has no value: it is what holds below all others.
    if not steps or steps[0].value is not None:
        steps = [dashboard.Threshold(value=None, color="green" if steps else "text"), *steps]
    return builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(list(steps))
