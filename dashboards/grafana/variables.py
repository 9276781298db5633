"""What can be chosen above a dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from dashboards.grafana.panels import SOURCE
from streams.kpis.definitions import KpiDefinition
from streams.runtime.metrics import dimensions_of

EVERY = ".+"
"""What All stands for: any value, but not none, which is the total."""
AT_FIRST = "24h"
"""The window that is chosen at first, where there is one: what Operations today means."""

Variable = builders.QueryVariable | builders.CustomVariable | builders.ConstantVariable


def job() -> builders.QueryVariable:
    """The workers of one namespace are one job of Prometheus, as its rules have it."""
    query = builders.QueryVariable("job").label("Workers").description("The job in Prometheus: one for each namespace")
    return (
        query.query(_values("label_values(daybook_build_info, job)"))
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
    )


def window(kpis: Iterable[KpiDefinition]) -> builders.CustomVariable:
    """The windows that KPIs have, from the shortest on."""
    spans = sorted({span for kpi in kpis for span in kpi.windows}, key=lambda span: span.ms)
    texts = list(dict.fromkeys(span.text for span in spans))
    chosen = AT_FIRST if AT_FIRST in texts else texts[-1] if texts else "now"
    options = [VariableOption(text=text, value=text, selected=text == chosen) for text in texts or [chosen]]
    made = builders.CustomVariable("window").label("Over").description("How far back the values reach")
    made = made.values(",".join(texts or [chosen])).options(options)
    return made.current(VariableOption(text=chosen, value=chosen, selected=True))


def dimensions(kpis: Iterable[KpiDefinition]) -> Sequence[builders.QueryVariable]:
    """One for each dimension that any of these KPIs is sliced by."""
    names = dict.fromkeys(name for kpi in kpis for name in dimensions_of(kpi))
    return [_dimension(name) for name in names]


def _dimension(name: str) -> builders.QueryVariable:
    # KPIs alone have a window and no kpi: other metrics may have a label of the same name, such as topic.
    series = f'label_values({{__name__=~"daybook_.+", job="$job", window!="", kpi="", {name}!=""}}, {name})'
    made = builders.QueryVariable(name).label(name.replace("_", " ").capitalize()).query(_values(series))
    made = made.datasource(SOURCE).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    made = made.sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC).multi(True).include_all(True).all_value(EVERY)
    return made.current(VariableOption(text="All", value="$__all", selected=True))


def console(url: str) -> builders.ConstantVariable:
    """Where the console is. A constant: what it links to is not the viewer's choice."""
    return builders.ConstantVariable("daybook_console").label("Console").value(url)


def _values(text: str) -> dict[str, object]:
    return {"query": text, "refId": "Variable"}
