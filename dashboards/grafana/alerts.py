"""What Prometheus' own rules say, and how many incidents there are. Shown on more than one dashboard."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Threshold

from dashboards.grafana.links import to_console
from dashboards.grafana.panels import Ask, Card, Panel, listed, now, states

# That no worker answers is an alert of no job.
_ALERTS = 'alertname=~"Daybook.+", job=~"$job|"'


def alert_list() -> Panel:
    """Alerts that are firing or about to."""
    card = Card(
        "alerts",
        "Alerts",
        "Alerts of Daybook's rules in Prometheus: of the platform, and of goals that are missed. A pending one has "
        "held for less long than it has to. What each means is in docs/runbook.md.",
        "none",
        "No alert is firing or pending",
        links=(to_console("How the pipeline stands", "/status"),),
    )
    expr = f"max by (alertname, alertstate, severity, kpi, instance, partition, topic) (ALERTS{{{_ALERTS}}})"
    columns = [("alertname", "Alert"), ("alertstate", "State"), ("severity", "Severity"), ("kpi", "KPI")]
    columns += [("topic", "Topic"), ("partition", "Partition"), ("instance", "Worker")]
    return listed(card, Ask(expr, ""), columns)


def alert_states() -> Panel:
    """When which alert was firing."""
    card = Card(
        "alert-states",
        "When alerts were firing",
        "One bar for each of Daybook's alerts in Prometheus, for as long as it was firing.",
        "none",
        "No alert was firing",
        24,
    )
    expr = f'max by (alertname, kpi) (ALERTS{{{_ALERTS}, alertstate="firing"}})'
    return states(card, [Ask(expr, "{{alertname}} {{kpi}}")])


def incident_count() -> Panel:
    """How many incidents are not over."""
    card = Card(
        "incidents",
        "Incidents",
        "Incidents that are not over, by kind: of the business, or of the pipeline that feeds Daybook. The console has "
        "what happened, since when, why, and the orders and tickets it is about.",
        "none",
        "No worker has the incidents",
        links=(to_console("Open incidents", "/incidents"),),
    )
    expr = 'sum by (kind) (max by (kind, severity, state) (daybook_incidents{job="$job"}))'
    panel = now(card, [Ask(expr, "{{kind}}")], [Threshold(value=1.0, color="red")])
    return panel.data_links([to_console("Open incidents", "/incidents")])
