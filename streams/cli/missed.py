"""``daybook missed``: why nobody was told of something, and what it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from streams.cli.settings import Settings, configured, example

if TYPE_CHECKING:
    from streams.config import Config
    from streams.history.lookback.missed import Missed

_REASONS = {
    "unknown": "too little was known of it to judge it",
    "closed": "the business was closed",
    "calendar": "maintenance or an outage was known of",
    "holiday": "it was a holiday, on which such KPIs are not judged",
    "least_cases": "it rests on {cases:.0f} cases, and least_cases is {settings.least_cases:g}",
    "least_change": "it was less far off than least_change, {settings.least_change:.0%}, asks",
    "threshold": "it was not surprising enough",
    "cool_down": "an alert of the KPI was less than its cool_down, {cool_down}, ago",
    "open": "an alert of the KPI before it was not over",
    "another": "another slice was stranger, and told of",
}


@click.command(
    epilog=example(
        "daybook missed 2026-03-02T14:00 2026-03-02T20:00 --kpi on_time_ratio --slice region=north",
        "daybook --config shop.yaml missed 2026-03-02 2026-03-03 --kpi orders_placed --apply",
    )
)
@click.argument("begin", metavar="FROM")
@click.argument("end", metavar="TO")
@click.option("--kpi", required=True, help="What showed it.")
@click.option("--slice", "slices", multiple=True, metavar="NAME=VALUE", help="Whom it was about.")
@click.option("--apply", "apply_", is_flag=True, help="Write the change into the configuration.")
@configured
def missed(settings: Settings, begin: str, end: str, kpi: str, slices: tuple[str, ...], apply_: bool) -> None:
    """Say why nobody was told of what went on FROM … TO: how near it came to an alert, what kept it from one, the
    smallest change of settings that would have caught it, and what else that would have raised over archived history.
    """
    config = settings.load()
    from streams.cli.replaying import known_kpi, period, progress_to, scope_of, source_told
    from streams.history.lookback.missed import missed as find
    from streams.kpis.warm import warm

    if apply_:
        from streams.config.edit import require_own

        require_own(config.source)
    since, until = period(config, begin, end)
    known_kpi(config, kpi)
    scope = scope_of(config, slices)
    source = source_told(config)
    warm()
    with progress_to(source.records, "replaying") as progress:
        found = find(config, source, kpi, since, until, scope, progress)
    if found.nearest is None:
        raise click.UsageError(
            f"{begin} to {end}: the archive has no value of {kpi} in that time" + (" and slice" if scope else "")
        )
    _print(config, kpi, found)
    if found.changes is None:
        return
    if not apply_:
        click.echo("written to the configuration with --apply")
    else:
        from streams.config.edit import set_alerts

        set_alerts(config.source, kpi, found.changes, f"found with daybook missed {begin} {end}")
        click.echo(f"written to {config.source}")
    click.echo(
        f"to let the detectors know of one that is going on: daybook incidents feedback --missed --kpi {kpi} --since 6h"
    )


def _print(config: Config, kpi: str, found: Missed) -> None:
    from rich.console import Console

    from detectors.lookback.matching import Alert
    from detectors.watch.settings import DEFAULT
    from streams.cli.alert_table import pair_table, series_text
    from streams.cli.incident_pages import moment
    from streams.config import span_text

    console = Console(highlight=False, soft_wrap=True)
    if found.alert is not None:
        told = f"nothing was missed: told {moment(config, found.alert.end)} of {series_text(found.alert)}"
        console.print(told, markup=False)
        console.print(f"  {found.alert.why}", markup=False)
        return
    near, settings = found.nearest, config.alerts.kpis.get(kpi, DEFAULT)
    assert near is not None
    what = series_text(Alert.of(near.value))
    console.print(f"nearest: {moment(config, near.value.end)}, {what}", markup=False)
    console.print(f"  surprise {near.surprise:.2f}, threshold {near.threshold:.2f} (decades of probability)")
    for reason in near.reasons:
        text = _REASONS[reason].format(cases=near.cases, settings=settings, cool_down=span_text(settings.cool_down))
        console.print(f"  not told: {text}", markup=False)
    if found.changes is None or found.then is None:
        console.print("no single setting, and no two of those tried, would have caught it")
        return
    said = {name: span_text(int(str(of))) if name == "cool_down" else of for name, of in found.changes.items()}
    change = ", ".join(f"{name}: {of}" for name, of in said.items())
    console.print(f"would have caught it: alerts.kpis.{kpi}: {{ {change} }}", markup=False)
    console.print(
        f"  told {moment(config, found.then.end)} of {series_text(found.then)}: {found.then.why}", markup=False
    )
    others = [pair for pair in found.pairs if pair.after != found.then]
    if others:
        console.print("what else that changes over the history:")
        console.print(pair_table(config, others))
    else:
        console.print("no other alert of it would have been there, or not been there, over the history")
    now, then = found.left
    if now != then:
        console.print(
            f"others are told of {then:.2g} times a week instead of {now:.2g}: daybook compare says what that does"
        )
