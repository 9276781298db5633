"""Panels of a KPI: the total with what was expected of it, its slices, where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from grafana_foundation_sdk.builders import stat, timeseries
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, Threshold

from dashboards.grafana.links import to_console, to_kpi, to_panel
from dashboards.grafana.names import OPERATIONS
from dashboards.grafana.panels import Ask, Card, now, number_of, over_time
from dashboards.grafana.queries import STRANGE, KpiQueries
from streams.kpis.definitions import KpiDefinition, Moment
from streams.kpis.units import exponent

Subject = Literal["orders", "deliveries", "support"]

EXPECTED, LOW, HIGH, ANOMALY = "expected", "expected at least", "expected at most", "strange"
GOALS = {"min": "goal, at least", "max": "goal, at most"}
_SUBJECTS: dict[str, Subject] = {"order": "orders", "delivery": "deliveries", "ticket": "support"}


def subject_of(kpi: KpiDefinition, moments: dict[str, Moment]) -> Subject:
    """What a KPI is about: whose moments it counts, or ends with. Of several the one furthest from the order counts:
    what is on the way is a matter of deliveries."""
    if kpi.kind == "duration":
        names = kpi.end
    elif kpi.kind == "level":
        names = (*kpi.start, *kpi.until)
    else:
        names = kpi.of.moments
    found = {_SUBJECTS[moments[name].event.partition(".")[0]] for name in names}
    return next(subject for subject in ("support", "deliveries", "orders") if subject in found)


def title_of(kpi: KpiDefinition) -> str:
    """A KPI's name as people write it."""
    return kpi.name.replace("_", " ").capitalize()


def unit_of(kpi: KpiDefinition, currency: str) -> str:
    """Grafana's name of a KPI's unit."""
    if kpi.unit == "money":
        return f"currency:{currency} "
    return {"seconds": "s", "ratio": "percentunit", "score": "none"}.get(kpi.unit, f"suffix: {kpi.unit}")


def total_panel(queries: KpiQueries, width: int = 12) -> timeseries.Panel:
    """The whole business: its value, the band it was expected in, its goal, and where it was strange."""
    kpi, window = queries.kpi, queries.judged_window
    asks = list(_values(queries, window or queries.window))
    if window is not None:
        asks += [
            Ask(queries.expected("low"), LOW),
            Ask(queries.expected("middle"), EXPECTED),
            Ask(queries.expected("high"), HIGH),
            Ask(queries.anomalies(window), ANOMALY),
        ]
    asks += [Ask(queries.goal(bound), GOALS[bound]) for bound in queries.bounds]
    card = Card(
        f"total:{kpi.name}",
        title_of(kpi),
        _sentences(_described(kpi), _banded(queries)),
        unit_of(kpi, queries.currency),
        "Nothing of it has happened yet, or no worker has it",
        width,
        (to_kpi(kpi.name),),
    )
    panel = over_time(card, asks).data_links([to_console("Events behind it", f"/kpi/{kpi.name}")])
    panel = panel.override_by_regexp(f"^({LOW}|{HIGH})$", [_line_width(0), _colour("blue")])
    # The band lies between its two edges; neither is a line.
    panel = panel.override_by_name(HIGH, [_custom("fillBelowTo", LOW), _custom("fillOpacity", 12)])
    panel = panel.override_by_name(EXPECTED, [_dashed([2, 6]), _colour("blue")])
    panel = panel.override_by_name(
        ANOMALY,
        [_custom("drawStyle", "points"), _custom("showPoints", "always"), _custom("pointSize", 8), _colour("red")],
    )
    return panel.override_by_regexp("^goal, ", [_dashed([10, 10]), _colour("orange")])


def slice_panel(queries: KpiQueries, groups: Iterable[tuple[str, ...]], width: int = 12) -> timeseries.Panel:
    """A KPI by dimensions: one line for each value that is chosen above."""
    kpi, groups = queries.kpi, tuple(groups)
    spoken = " and by ".join(" × ".join(group).replace("_", " ") for group in groups)
    asks = [
        Ask(queries.sliced(group, queries.window), " · ".join(f"{{{{{name}}}}}" for name in group)) for group in groups
    ]
    card = Card(
        f"slices:{kpi.name}:{groups}",
        f"{title_of(kpi)} by {spoken}",
        _sentences(_described(kpi), f"By {spoken}, of the values chosen above, {_over(queries)}.", _which(kpi)),
        unit_of(kpi, queries.currency),
        "Nothing of it has happened yet in what is chosen above",
        width,
        (to_kpi(kpi.name),),
    )
    return over_time(card, asks)


def stand(queries: KpiQueries, width: int = 4) -> stat.Panel:
    """Where a KPI stands, coloured by its goal."""
    kpi = queries.kpi
    card = Card(
        f"stand:{kpi.name}",
        title_of(kpi),
        _sentences(_described(kpi), f"{_over(queries).capitalize()}.", _which(kpi)),
        unit_of(kpi, queries.currency),
        "none yet",
        width,
        (to_panel("Expected band and goal", OPERATIONS, number_of(f"total:{kpi.name}")), to_kpi(kpi.name)),
    )
    ask = Ask(queries.total(queries.window, queries.last_quantile), title_of(kpi))
    return now(card, [ask], _steps(kpi, queries.currency))


def _values(queries: KpiQueries, window: str) -> Iterator[Ask]:
    for quantile in queries.kpi.quantiles:
        yield Ask(queries.total(window, quantile), f"{quantile:.10%}".rstrip("0%").rstrip(".") + " % stay under")
    if not queries.kpi.quantiles:
        yield Ask(queries.total(window), title_of(queries.kpi))


def _sentences(*several: str) -> str:
    return " ".join(filter(None, several))


def _described(kpi: KpiDefinition) -> str:
    return f"{kpi.description or title_of(kpi)}."


def _over(queries: KpiQueries) -> str:
    return "as it is now" if queries.kpi.kind == "level" else "over the window chosen above"


def _which(kpi: KpiDefinition) -> str:
    return f"Shown is the time that {kpi.quantiles[-1]:.0%} stay under." if kpi.quantiles else ""


def _banded(queries: KpiQueries) -> str:
    kpi, window = queries.kpi, queries.judged_window
    if window is None:
        return (
            f"Over the window chosen above. No band is drawn: it is judged over {kpi.grain.text}, and has no window "
            "that is as long."
        )
    over = "As it is now" if kpi.kind == "level" else f"Over {window}"
    return (
        f"{over}, with the band that 99 % were expected in over the last {kpi.grain.text} that ended, and points where "
        f"a surprise of {STRANGE} or more was: a chance of one in a thousand."
    )


def _steps(kpi: KpiDefinition, currency: str) -> list[Threshold]:
    """Red beyond a goal. With a goal of both kinds that between them is right."""
    scale = 10 ** exponent(currency) if kpi.unit == "money" else 1
    steps = []
    if kpi.goal_min is not None:
        steps += [Threshold(value=None, color="red"), Threshold(value=kpi.goal_min / scale, color="green")]
    if kpi.goal_max is not None:
        steps += [Threshold(value=kpi.goal_max / scale, color="red")]
    return steps


def _custom(name: str, value: object) -> DynamicConfigValue:
    return DynamicConfigValue(id_val=f"custom.{name}", value=value)


def _colour(name: str) -> DynamicConfigValue:
    return DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": name})


def _line_width(pixels: int) -> DynamicConfigValue:
    return _custom("lineWidth", pixels)


def _dashed(dash: list[int]) -> DynamicConfigValue:
    return _custom("lineStyle", {"fill": "dash", "dash": dash})
