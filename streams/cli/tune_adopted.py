"""What ``daybook tune --apply`` writes into the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from detectors.watch.settings import Settings
    from streams.config import Config
    from streams.history.tuning.search import Tuned


class Won(NamedTuple):
    """What has won for a KPI, on history from one instant to another (epoch ms)."""

    found: Tuned
    since: int
    until: int


def adopt(config: Config, won: Sequence[Won]) -> None:
    """Write settings that have won, each with a comment, all of them together within what was agreed upon."""
    from detectors.tuning.agreement import fitted
    from detectors.watch.settings import DEFAULT
    from streams.errors import ConfigError

    known, alerts = [kpi.name for kpi in config.kpis], config.alerts
    proposed = {one.found.kpi: one.found.proposed.settings for one in won}
    try:
        settings = fitted(proposed, known, alerts.per_week, alerts.kpis)
    except ValueError as error:
        raise ConfigError(f"{config.source}: alerts: {error}") from None
    if settings != proposed:
        click.echo("told less often than proposed, all alike: others would have less than half an equal share")

    def more(one: Won) -> float:
        now, then = (of.get(one.found.kpi, DEFAULT).per_week or 0.0 for of in (alerts.kpis, settings))
        return then - now

    # Those first that leave more to others: the file has to be right after each.
    for one in sorted(won, key=more):
        _write(config, one, settings)
    if won:
        click.echo(f"written to {config.source}: {', '.join(one.found.kpi for one in won)}")


def _write(config: Config, one: Won, settings: Mapping[str, Settings]) -> None:
    from streams.cli.tune_shown import written
    from streams.config.edit import set_alerts
    from streams.events.times import format_time

    found, then = one.found, settings[one.found.kpi]
    before, after = found.today.reported, found.proposed.reported
    since, until = (format_time(at)[:10] for at in (one.since, one.until))
    comment = (
        f"tuned on {since} to {until}: recall {before.recall:.0%} -> {after.recall:.0%}, "
        f"false alarms a week {before.false_a_week:.2f} -> {after.false_a_week:.2f}"
    )
    today, proposed = written(found.today.settings), written(then)
    changes = {key: value for key, value in proposed.items() if value != today[key]}
    if "cool_down" in changes:
        changes["cool_down"] = then.cool_down
    set_alerts(config.source, found.kpi, changes, comment)
