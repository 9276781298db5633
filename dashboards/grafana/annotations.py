"""What is marked over all panels: incidents, as Prometheus knows them and as they were written into Grafana."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

from dashboards.grafana.names import TAG
from dashboards.grafana.panels import SOURCE

_GRAFANA = DataSourceRef(type_val="grafana", uid="-- Grafana --")
LIVE = 'max by (kind, severity) (daybook_incidents{job="$job"}) > 0'
"""That there are incidents: a region for as long as there are."""


class _Tagged(Builder[Dataquery]):
    """Grafana's own annotations that have the tag. The SDK's builder of that is of no type it takes as a query."""

    def build(self) -> Dataquery:
        tagged = builders.AnnotationTarget().type("tags").tags([TAG]).match_any(False).limit(100)
        return UnknownDataquery(tagged.build().to_json())


def marks() -> Sequence[builders.AnnotationQuery]:
    """Of every dashboard."""
    builtin = builders.AnnotationQuery().name("Annotations").type("dashboard").built_in(1.0).datasource(_GRAFANA)
    builtin = builtin.enable(True).hide(True).icon_color("rgba(0, 211, 255, 1)")
    written = builders.AnnotationQuery().name("Incidents").datasource(_GRAFANA).enable(True).icon_color("red")
    written = written.target(_Tagged())
    live = builders.AnnotationQuery().name("Incidents, as counted").datasource(SOURCE).icon_color("orange")
    live = live.enable(True).expr(LIVE).step("60s").title_format("{{severity}} {{kind}} incident")
    live = live.tag_keys("kind,severity").text_format("Which one it is, the console says.")
    return [builtin, written, live]
