"""*Daybook itself*: do events arrive, are they counted in time, and does the team hear of what is found?

Of counters with labels Prometheus sees nothing before the first event, so panels of them say what nothing means.
"""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard, Threshold

from dashboards.grafana.alerts import alert_list, alert_states, incident_count
from dashboards.grafana.board import Board
from dashboards.grafana.flow import events, state, time
from dashboards.grafana.health import JOB
from dashboards.grafana.links import to_console
from dashboards.grafana.names import PLATFORM
from dashboards.grafana.panels import Ask, Card, Panel, now
from dashboards.grafana.work import notification, work
from streams.config import Config


def platform(config: Config) -> Dashboard:
    """The dashboard; nothing on it depends on which KPIs there are."""
    board = Board(PLATFORM, "now-6h", config)
    board.row("Now", _now())
    board.row("Alerts", [alert_list(), incident_count(), alert_states()])
    board.row("Events", events())
    board.row("Time and lag", time())
    board.row("State log and recovery", state())
    board.row("Work and memory", work())
    board.row("Notification", notification())
    return board.build()


def _figure(
    key: str, title: str, text: str, unit: str, expr: str, steps: Sequence[Threshold] = (), empty: str = "no worker"
) -> Panel:
    card = Card(key, title, text, unit, empty, 4, (to_console("How the pipeline stands", "/status"),))
    return now(card, [Ask(expr, title)], steps)


def _now() -> list[Panel]:
    red_from = [Threshold(value=1.0, color="red")]
    return [
        _figure(
            "workers",
            "Workers",
            "How many workers answer. They share the partitions.",
            "none",
            f"sum(up{{{JOB}}})",
            [Threshold(value=None, color="red"), Threshold(value=1.0, color="green")],
        ),
        _figure(
            "unowned",
            "Partitions without a worker",
            "Source partitions that no worker reads. The KPIs wait for each of them.",
            "none",
            f"max(daybook_source_partitions{{{JOB}}}) - sum(daybook_assigned_partitions{{{JOB}}})",
            red_from,
        ),
        _figure(
            "behind",
            "Event time is behind by",
            "How far the slowest partition's watermark is behind the clock. A quarter of a minute is usual; where "
            "nothing happens it grows, and nothing is wrong.",
            "s",
            f"time() - min(max by (partition) (daybook_watermark_seconds{{{JOB}}}))",
            [Threshold(value=120.0, color="orange"), Threshold(value=300.0, color="red")],
            "no watermark yet",
        ),
        _figure(
            "unread",
            "Not yet read",
            "Records of the event topics that wait to be read.",
            "short",
            f"sum(max by (topic, partition) (daybook_consumer_lag{{{JOB}}}))",
            empty="nothing read yet",
        ),
        _figure(
            "waiting",
            "Messages that wait",
            "Messages and alerts not delivered yet. With quiet hours some wait on purpose.",
            "none",
            f"sum(daybook_notifications_pending{{{JOB}}})",
            red_from,
            "nobody is told: no channel",
        ),
        _figure(
            "version",
            "Versions",
            "Versions of Daybook that run side by side: more than one during an update.",
            "none",
            f"count(count by (version) (daybook_build_info{{{JOB}}}))",
            [Threshold(value=2.0, color="orange")],
        ),
    ]
