"""Alerts in a terminal, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from streams.cli.harmless import printable

if TYPE_CHECKING:
    from rich.table import Table

    from detectors.lookback.matching import Alert, Pair
    from streams.config import Config

_SIGNS = {"appears": "+", "disappears": "-", "earlier": "<", "later": ">", "same": "="}
_STYLES = {"appears": "green", "disappears": "red", "earlier": "cyan", "later": "yellow", "same": ""}


def series_text(alert: Alert) -> str:
    """What it is about: ``failures payment_method=card``."""
    stat = "" if alert.stat == "value" else f" {alert.stat}"
    return printable(f"{alert.kpi}{stat} {','.join(f'{name}={of}' for name, of in alert.slice)}".rstrip())


def pair_table(config: Config, pairs: Iterable[Pair]) -> Table:
    """A line for each: what became of it, when it is told, what it is about, why."""
    from rich.table import Table
    from rich.text import Text

    from streams.cli.incident_pages import moment
    from streams.kpis.units import span

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "Told", "What", "Why"):
        table.add_column(heading, no_wrap=heading in ("", "Told"))
    for pair in pairs:
        alert = pair.after or pair.before
        assert alert is not None
        what = series_text(alert)
        if pair.before is not None and pair.after is not None:
            by = pair.after.end - pair.before.end
            what += f" ({span(abs(by))} {pair.kind})" if by else ""
            if pair.before.series != pair.after.series:
                what += f" (was {series_text(pair.before)})"
        kind = f"{_SIGNS[pair.kind]} {pair.kind}"
        table.add_row(
            Text(kind, _STYLES[pair.kind]), moment(config, alert.end), Text(what), Text(printable(alert.why), "dim")
        )
    return table


def alert_table(config: Config, alerts: Iterable[Alert]) -> Table:
    """A line for each: when it is told, what it is about, why."""
    from rich.table import Table
    from rich.text import Text

    from streams.cli.incident_pages import moment

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("Told", "What", "Why"):
        table.add_column(heading, no_wrap=heading == "Told")
    for alert in alerts:
        table.add_row(moment(config, alert.end), Text(series_text(alert)), Text(printable(alert.why), "dim"))
    return table
