"""The section about alerts: how often one wants to be told, and what is otherwise for single KPIs."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.watch.settings import SPANS, Settings, shares
from streams.config.places import Place, meant
from streams.config.readers import Reader, fields, integer, milliseconds, number, section
from streams.config.structs import HOUR, WEEK, Alerts

_MOST_SURPRISE = 300.0


def alerts(place: Place) -> Alerts:
    """The section. Raises Noted where anything in it is wrong."""
    return Alerts(**fields(place, {"per_week": _rate, "kpis": _kpis}))


def check_alerts(place: Place, alerts: Alerts, kpis: Iterable[str]) -> None:
    """Note what does not fit the KPIs that there are. ``place`` is the section."""
    known = list(kpis)
    section = place.entries().get("kpis")
    if section is None:
        return
    for name, entry in section.entries().items():
        if name not in known:
            entry.note(f"there is no KPI {name!r}{meant(name, known)}")
    try:
        shares(known, alerts.per_week, alerts.kpis)
    except ValueError as error:
        section.note(f"{error} (per_week of the whole business has to be more than that of single KPIs together)")


def _rate(place: Place) -> float:
    value = number(place)
    if not 0.01 <= value <= 1_000:
        raise place.wrong(f"{value:g} alerts a week (expected 0.01 to 1000)")
    return value


def _between(least: float, most: float) -> Reader[float]:
    def reader(place: Place) -> float:
        value = number(place)
        if not least <= value <= most:
            raise place.wrong(f"{value:g} is out of range (expected {least:g} to {most:g})")
        return value

    return reader


_settings: Reader[Settings] = section(
    Settings,
    {
        "per_week": _rate,
        "least_cases": _between(0.0, 1e6),
        "least_change": _between(0.0, 100.0),
        "cool_down": milliseconds(HOUR, 8 * WEEK),
        "longest": integer(1, SPANS[-1]),
        "protect": _between(1.0, _MOST_SURPRISE),
    },
)


def _kpis(place: Place) -> dict[str, Settings]:
    return fields(place, dict.fromkeys(place.declared(), _settings))
