"""Panels of what Daybook itself costs, and of whom it tells."""

from __future__ import annotations

from dashboards.grafana.health import JOB, RATE, lines, quantile
from dashboards.grafana.panels import Panel


def work() -> list[Panel]:
    """Memory, processor, and what takes time."""
    return [
        lines(
            "memory",
            "Memory",
            "Memory of each worker. It grows with what is open and with the series, not with the events.",
            "bytes",
            "No worker answers, or its system does not say",
            (f"process_resident_memory_bytes{{{JOB}}}", "{{instance}}"),
        ),
        lines(
            "cpu",
            "Processor",
            "Cores that each worker keeps busy.",
            "none",
            "No worker answers, or its system does not say",
            (f"rate(process_cpu_seconds_total{{{JOB}}}[{RATE}])", "{{instance}}"),
        ),
        lines(
            "kernel",
            "Time to fold",
            "Time to decode and fold one slice of a chunk: the typical one, and what 99 % stay under.",
            "s",
            "Nothing has been folded of late",
            (quantile("daybook_kernel_seconds", 0.5), "50 % stay under"),
            (quantile("daybook_kernel_seconds", 0.99), "99 % stay under"),
        ),
        lines(
            "detector",
            "Time to judge",
            "Time to close the grains that were due in one partition and judge them: the typical one, and what 99 % "
            "stay under.",
            "s",
            "Nothing has been judged of late",
            (quantile("daybook_detector_seconds", 0.5), "50 % stay under"),
            (quantile("daybook_detector_seconds", 0.99), "99 % stay under"),
        ),
        lines(
            "kept",
            "What is kept",
            "Orders, deliveries and tickets remembered, and series of KPIs.",
            "short",
            "No worker answers",
            (f"sum(max by (partition) (daybook_open_cases{{{JOB}}}))", "orders, deliveries, tickets"),
            (f"sum(daybook_series{{{JOB}}})", "series"),
        ),
        lines(
            "folded",
            "Folded into other",
            "Values of a dimension beyond the busiest (limits.values_per_dimension): they have no series of their own.",
            "short",
            "No dimension has had values yet",
            (f"sum by (dimension) (max by (partition, dimension) (daybook_folded_values{{{JOB}}}))", "{{dimension}}"),
        ),
    ]


def notification() -> list[Panel]:
    """What becomes of messages."""
    nobody = "Nobody is told of incidents: notify: in daybook.yaml names no channel"
    return [
        lines(
            "notifications",
            "Deliveries by outcome",
            "Attempts to deliver a message, within an hour. What failed is tried again; what was refused is not.",
            "none",
            nobody,
            (
                f"sum by (channel, outcome) (increase(daybook_notifications_total{{{JOB}}}[1h]))",
                "{{channel}}: {{outcome}}",
            ),
        ),
        lines(
            "pending",
            "Waiting and held back",
            "Messages that wait, by channel, and incidents of which something is held back until quiet hours end.",
            "none",
            nobody,
            (f"sum by (channel) (daybook_notifications_pending{{{JOB}}})", "{{channel}}"),
            (f"sum(daybook_notifications_held{{{JOB}}})", "held back"),
        ),
        lines(
            "delivery-time",
            "Time to deliver",
            "The mean time a channel took to take a message, or not to, since the workers started.",
            "s",
            "Nothing has been delivered since the workers started",
            (
                f"sum by (channel) (daybook_notification_seconds_sum{{{JOB}}})"
                f" / sum by (channel) (daybook_notification_seconds_count{{{JOB}}})",
                "{{channel}}",
            ),
        ),
        lines(
            "last-success",
            "Since the last delivery",
            "How long ago each channel took a message last. Without incidents that may be long.",
            "s",
            "Nothing has been delivered since the workers started",
            (
                f"time() - max by (channel) (daybook_notification_last_success_timestamp_seconds{{{JOB}}})",
                "{{channel}}",
            ),
        ),
    ]
