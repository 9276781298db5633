"""Draws the pictures of docs/simulator.md: ``python docs/img/simulator.py`` from the project's root."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as dates
import matplotlib.pyplot as plt

sys.path.insert(0, str(Path(__file__).parents[2]))
from streams.events.times import parse_time
from streams.ingest.simulator import Incident, Simulation, SimulatorSettings
from streams.ingest.simulator.demand import season_factor

HERE = Path(__file__).parent
BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = 3_600_000, 86_400_000
MONDAY = round(datetime(2026, 3, 2, tzinfo=BERLIN).timestamp() * 1000)
INK, FAINT, ACCENT, ALARM = "#1f2933", "#9aa5b1", "#2563a8", "#c8402f"

plt.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": FAINT,
        "axes.titlelocation": "left",
        "axes.titlesize": 10,
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "figure.dpi": 110,
        "svg.hashsalt": "daybook",
    }
)


def read(*incidents: Incident, days: int) -> tuple[list[Any], list[Any]]:
    settings = SimulatorSettings(
        start=MONDAY, end=MONDAY + days * DAY, heartbeat=0, season=0, growth=0, incidents=list(incidents)
    )
    simulation = Simulation(settings)
    return [event for _, event in simulation.events()], simulation.labels()


def kind(event: Any) -> str:
    return str(event.__struct_config__.tag)


def hourly(events: list[Any], *kinds: str) -> Counter[int]:
    return Counter((parse_time(e.time) - MONDAY) // HOUR for e in events if kind(e) in kinds)


def clock(hours: list[int]) -> list[datetime]:
    return [datetime.fromtimestamp(MONDAY / 1000 + hour * 3600, BERLIN) for hour in hours]


def weekdays(axis: Any) -> None:
    axis.xaxis.set_major_locator(dates.DayLocator(tz=BERLIN))
    axis.xaxis.set_major_formatter(dates.DateFormatter("%a", tz=BERLIN))


def rhythm() -> None:
    events, _ = read(days=22)
    hours = list(range(8 * 24, 22 * 24))
    figure, axes = plt.subplots(4, 1, figsize=(9, 7.6), constrained_layout=True)
    rows = [
        ("Orders placed per hour", ("order.placed",), ACCENT),
        ("Packed (bars) and dispatched (line) per hour: working hours, collections", ("order.packed",), FAINT),
        ("Delivered per hour: Monday to Saturday, by day", ("delivery.delivered",), ACCENT),
    ]
    for axis, (title, kinds, colour) in zip(axes, rows, strict=False):
        count = hourly(events, *kinds)
        axis.bar(clock(hours), [count[h] for h in hours], width=1 / 24, color=colour, align="edge")
        axis.set_title(title)
        axis.set_xlim(clock(hours)[0], clock(hours)[-1])
        weekdays(axis)
    count = hourly(events, "delivery.dispatched")
    axes[1].step(clock(hours), [count[h] for h in hours], where="post", color=ACCENT, lw=1)
    days = list(range(1, 366))
    axes[3].plot(days, [season_factor(day) for day in days], color=ACCENT, label="season 1")
    axes[3].plot(days, [season_factor(day, 0.5) for day in days], color=FAINT, label="season 0.5, the default")
    axes[3].set_title("Demand over the year, relative to its mean")
    axes[3].set_xticks([1, 60, 121, 182, 244, 305, 365], ["Jan", "Mar", "May", "Jul", "Sep", "Nov", "Jan"])
    axes[3].legend(frameon=False, loc="upper left")
    figure.savefig(HERE / "simulator-rhythm.png", metadata={"Software": None})


def levels(events: list[Any], up: tuple[str, ...], down: tuple[str, ...], hours: list[int]) -> list[int]:
    plus, minus = hourly(events, *up), hourly(events, *down)
    total, values = 0, []
    for hour in range(hours[-1] + 1):
        total += plus[hour] - minus[hour]
        values.append(total)
    return [values[hour] for hour in hours]


def incident() -> None:
    outage = Incident(
        kind="courier_outage",
        start=MONDAY + 8 * DAY + 6 * HOUR,
        duration=42 * HOUR,
        scope={"carrier": ["postbird"]},
    )
    usual, _ = read(days=19)
    struck, (label,) = read(outage, days=19)
    hours = list(range(6 * 24, 19 * 24))
    panels = [
        ("Parcels delivered per day", lambda e: daily(e, "delivery.delivered", hours)),
        ("Parcels on their way", lambda e: levels(e, ("delivery.dispatched",), ("delivery.delivered",), hours)),
        ("Tickets opened per day", lambda e: daily(e, "ticket.opened", hours)),
        (
            "Tickets open",
            lambda e: levels(e, ("ticket.opened", "ticket.reopened"), ("ticket.resolved",), hours),
        ),
    ]
    figure, axes = plt.subplots(4, 1, figsize=(9, 7.6), sharex=True, constrained_layout=True)
    for axis, (title, measure) in zip(axes, panels, strict=True):
        axis.plot(clock(hours), measure(usual), color=FAINT, label="without the incident")
        axis.plot(clock(hours), measure(struck), color=ALARM, label="with it")
        begin, end = ((ms - MONDAY) // HOUR for ms in (outage.start, outage.end))
        axis.axvspan(*clock([begin, end]), color=ALARM, alpha=0.10, lw=0)
        axis.set_title(title)
        axis.set_ylim(bottom=0)
        weekdays(axis)
    axes[0].legend(frameon=False, loc="lower right", ncols=2)
    figure.suptitle(
        f"Carrier postbird stands still for 42 hours (shaded): {len(label.orders)} orders late, "
        f"{len(label.tickets)} tickets because of it",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    figure.savefig(HERE / "simulator-incident.png", metadata={"Software": None})


def daily(events: list[Any], of: str, hours: list[int]) -> list[int]:
    count = hourly(events, of)
    return [sum(count[h] for h in range(hour - 23, hour + 1)) for hour in hours]


if __name__ == "__main__":
    rhythm()
    incident()
