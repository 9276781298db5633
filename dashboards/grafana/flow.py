"""Panels of what flows through Daybook: events, time, and the states that are recorded."""

from __future__ import annotations

from dashboards.grafana.health import JOB, RATE, lines, quantile
from dashboards.grafana.panels import Panel


def events() -> list[Panel]:
    """What arrives, and what of it is in no KPI."""
    return [
        lines(
            "events",
            "Events",
            "Events read, by topic, without heartbeats.",
            "eps",
            "No event has been read yet",
            (f"sum by (topic) (rate(daybook_events_total{{{JOB}}}[{RATE}]))", "{{topic}}"),
        ),
        lines(
            "heartbeats",
            "Heartbeats",
            "Heartbeats of sources. They go on where the shop is closed; where they end, a source is gone.",
            "cps",
            "No worker answers",
            (f"sum(rate(daybook_heartbeats_total{{{JOB}}}[{RATE}]))", "heartbeats"),
        ),
        lines(
            "late",
            "Late and repeated events",
            "Late: older than the allowed lateness, in no KPI. Repeated: sent more than once, counted once. A source "
            "that sends again after a failure repeats; one with a wrong clock is late.",
            "eps",
            "No worker answers",
            (f"sum(rate(daybook_late_events_total{{{JOB}}}[{RATE}]))", "late"),
            (f"sum(rate(daybook_duplicate_events_total{{{JOB}}}[{RATE}]))", "repeated"),
        ),
        lines(
            "dead-letters",
            "Dead letters",
            "Records set aside, ever since the workers started, by topic and reason. Each is missing in the KPIs until "
            "it is mended and sent again: daybook dlq.",
            "none",
            "No record has been set aside since the workers started",
            (f"sum by (topic, code) (daybook_dead_letters_total{{{JOB}}})", "{{topic}}: {{code}}"),
        ),
    ]


def time() -> list[Panel]:
    """How far event time and reading have come."""
    return [
        lines(
            "watermark",
            "Behind the clock, by partition",
            "How far each partition's watermark, which event time has come to, is behind the clock. The KPIs wait for "
            "the slowest.",
            "s",
            "No partition has a watermark yet",
            (f"time() - max by (partition) (daybook_watermark_seconds{{{JOB}}})", "partition {{partition}}"),
        ),
        lines(
            "lag",
            "Not yet read, by topic",
            "Records that wait to be read. A line that rises for long means too few workers.",
            "short",
            "Nothing has been read yet",
            (f"sum by (topic) (max by (topic, partition) (daybook_consumer_lag{{{JOB}}}))", "{{topic}}"),
        ),
    ]


def state() -> list[Panel]:
    """What is recorded, and read back."""
    return [
        lines(
            "state-bytes",
            "State recorded",
            "Bytes of the state log by agent: steps each second, snapshots now and then.",
            "Bps",
            "No state has been recorded yet",
            (f"sum by (agent) (rate(daybook_state_log_bytes_total{{{JOB}}}[{RATE}]))", "{{agent}}"),
        ),
        lines(
            "state-append",
            "Time to record",
            "Until the broker acknowledged an entry of the state log: what 99 % stay under. Nothing is told before.",
            "s",
            "No state has been recorded of late",
            (quantile("daybook_state_log_append_seconds", 0.99, "agent"), "{{agent}}"),
        ),
        lines(
            "recovery",
            "Time to read a state back",
            "The mean time to read one partition's state back, by agent, since the workers started; and how many are "
            "being read back now.",
            "s",
            "No state has been read back since the workers started",
            (
                f"sum by (agent) (daybook_recovery_seconds_sum{{{JOB}}})"
                f" / sum by (agent) (daybook_recovery_seconds_count{{{JOB}}})",
                "{{agent}}",
            ),
        ),
        lines(
            "recovering",
            "States being read back, and failures to publish",
            "Partitions whose state is being read back: they stand still. Failures to publish within five minutes: "
            "each is tried again.",
            "none",
            "No worker answers",
            (f"sum by (agent) (daybook_recovering_partitions{{{JOB}}})", "read back: {{agent}}"),
            (f"sum(increase(daybook_publish_failures_total{{{JOB}}}[5m]))", "failures to publish"),
        ),
    ]
