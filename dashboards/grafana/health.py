"""Panels of counters, gauges and histograms of the workers of one job."""

from __future__ import annotations

from dashboards.grafana.panels import Ask, Card, Panel, over_time

JOB = 'job="$job"'
RATE = "$__rate_interval"
"""Grafana's own variable: long enough to hold several scrapes, however far one has zoomed in."""


def lines(key: str, title: str, text: str, unit: str, empty: str, *asks: tuple[str, str]) -> Panel:
    """Half a row of lines over time; of each query its expression and its legend."""
    return over_time(Card(key, title, text, unit, empty), [Ask(expr, legend) for expr, legend in asks])


def quantile(metric: str, share: float, by: str = "") -> str:
    """What that share of a histogram's observations stay under."""
    grouping = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({grouping}) (rate({metric}_bucket{{{JOB}}}[{RATE}])))"
