"""The shops that detection is scored on: eight weeks each, with bad days and without, a function of size and seed."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from streams.ingest.simulator import Incident, SimulatorSettings
from streams.ingest.simulator.demand import Demand
from streams.ingest.simulator.localtime import DAY, HOUR, MINUTE, LocalDays

SIZES = (30, 300, 3_000)
"""Orders a day."""
WEEK = 7 * DAY
WEEKS = 8
LEARNING_WEEKS = 2
"""No incident begins in them."""
LEAD_IN = 14 * DAY
"""Simulated before the first week and not recorded: a shop begins with nothing on its way, and its levels, returns and
refunds take so long to become usual."""
_FIRST = 1_772_409_600_000 - HOUR
"""Monday 2 March 2026, midnight in Berlin."""
_TOUCHED = 12
"""What people would call an incident: so many orders or tickets are expected to be hit, at the least."""


class _Kind(NamedTuple):
    """How long an incident lasts and how strong it is, at the least and at the most; by which dimension its scope may
    be narrowed; how many cases it hits for every order placed, by expectation.

    ``usual`` is the most that is drawn; ``longest`` is for shops in which it takes long to hit enough.
    """

    shortest: int
    usual: int
    longest: int
    weakest: float
    strongest: float
    by: str
    hits: float


# About the durations and strengths of the simulator's own bad luck. Couriers' outages are a little shorter: two days of
# backlog follow each. Of ten orders about one leads to a ticket.
_KINDS = {
    "courier_outage": _Kind(8 * HOUR, 28 * HOUR, 40 * HOUR, 0.6, 1.0, "carrier", 1.0),
    "payment_failures": _Kind(2 * HOUR, 9 * HOUR, 24 * HOUR, 0.4, 0.9, "method", 1.0),
    "warehouse_stop": _Kind(5 * HOUR, 12 * HOUR, 34 * HOUR, 0.7, 1.0, "warehouse", 1.0),
    "support_understaffed": _Kind(8 * HOUR, 34 * HOUR, 58 * HOUR, 0.6, 0.9, "", 0.13),
    "website_down": _Kind(2 * HOUR, 6 * HOUR, 12 * HOUR, 0.7, 1.0, "channel", 1.0),
    "tracking_feed_silent": _Kind(4 * HOUR, 12 * HOUR, 34 * HOUR, 1.0, 1.0, "carrier", 1.0),
    "promotion": _Kind(10 * HOUR, 48 * HOUR, 48 * HOUR, 0.6, 1.4, "", 1.0),
}
_PER_RUN = (
    "courier_outage",
    "courier_outage",
    "payment_failures",
    "payment_failures",
    "warehouse_stop",
    "support_understaffed",
    "website_down",
    "tracking_feed_silent",
    "promotion",
)
"""Eight incidents that are to be noticed, and a promotion, announced, that must not alarm."""
_NEEDS_STAFF = ("warehouse_stop", "support_understaffed", "courier_outage", "tracking_feed_silent")
"""Begin on a working day, Monday to Friday: on others there is little that could stop."""


def begins(seed: int) -> int:
    """When the first week of a seed begins, epoch ms: in spring, summer, autumn or winter, so that clock changes,
    public holidays and Christmas are among what is judged."""
    days = LocalDays("Europe/Berlin", _FIRST)
    return days.at(days.day_of(_FIRST) + 13 * 7 * (seed % 4), 0)


def usual(size: int, seed: int, weeks: int = WEEKS) -> SimulatorSettings:
    """A shop without incidents. ``size`` is orders a day."""
    start = begins(seed)
    days = LocalDays("Europe/Berlin", start - LEAD_IN - DAY)
    return SimulatorSettings(
        start=days.at(days.day_of(start) - LEAD_IN // DAY, 0),
        # The heartbeat at the end is still to come.
        end=days.at(days.day_of(start) + 7 * weeks, 0) + MINUTE,
        reference=start,
        seed=1_000 + seed,
        orders_per_day=size,
        heartbeat=HOUR,
    )


def troubled(size: int, seed: int, weeks: int = WEEKS, kinds: Collection[str] | None = None) -> SimulatorSettings:
    """The same shop with incidents in the weeks after :data:`LEARNING_WEEKS`, of some ``kinds`` or of all."""
    settings = usual(size, seed, weeks)
    return replace(settings, incidents=incidents(settings, seed, weeks, kinds))


def incidents(
    settings: SimulatorSettings, seed: int, weeks: int = WEEKS, kinds: Collection[str] | None = None
) -> list[Incident]:
    """One incident in each equal part of the weeks in which incidents may be, their kinds shuffled; three in two weeks.

    They begin by day, in the first third of their part; the rest is for what follows from them.
    """
    generator = np.random.default_rng([seed, int(settings.orders_per_day), 7])
    days = LocalDays(settings.timezone, settings.start)
    start = begins(seed)
    first, last = start + LEARNING_WEEKS * WEEK, start + weeks * WEEK
    per_run = [kind for kind in _PER_RUN if kinds is None or kind in kinds]
    count = len(_PER_RUN) * (weeks - LEARNING_WEEKS) // (WEEKS - LEARNING_WEEKS)
    part = (last - first) / count
    found = []
    for number, place in enumerate(generator.permutation(count).tolist()):
        kind = per_run[place % len(per_run)]
        day = days.day_of(int(first + number * part + generator.uniform(0, part / 3)))
        while kind in _NEEDS_STAFF and (days.weekday(day) > 4 or days.holiday(day)):
            day += 1
        begin = max(first, days.at(day, round(generator.uniform(7 * 60, 17 * 60)) // 5 * 5))
        found.append(_incident(kind, begin, settings, generator))
    return found


def _incident(kind: str, begin: int, settings: SimulatorSettings, generator: np.random.Generator) -> Incident:
    how = _KINDS[kind]
    strength = round(float(generator.uniform(how.weakest, how.strongest)), 2)
    drawn = float(generator.uniform(how.shortest, how.usual))
    orders = Demand(settings, LocalDays(settings.timezone, settings.start)).level(begin)
    enough = _TOUCHED / (orders / DAY * how.hits * strength)
    shares = _shares(settings, how.by) if how.by else {}
    scope: dict[str, list[str]] = {}
    # All carriers silent at once would be no feed that is missing but silence.
    alone = kind == "tracking_feed_silent"
    if shares and (alone or generator.uniform() < 0.6):
        names = list(shares)
        chosen = names[int(generator.choice(len(names), p=[shares[name] for name in names]))]
        if enough / shares[chosen] > how.usual and alone:
            chosen = max(names, key=lambda name: shares[name])
        # What is too narrow for a shop of this size to feel hits all of it.
        if enough / shares[chosen] <= how.usual or alone:
            scope = {how.by: [chosen]}
            enough /= shares[chosen]
    duration = int(min(max(drawn, enough), how.longest)) // MINUTE * MINUTE
    return Incident(kind=kind, start=begin, duration=duration, scope=scope, strength=strength)


def _shares(settings: SimulatorSettings, by: str) -> dict[str, float]:
    """Each value's share of the orders."""
    shop = settings.shop
    shares: dict[str, float]
    if by == "carrier":
        shares = dict.fromkeys(shop.carriers, 0.0)
        for region in shop.regions.values():
            for carrier, share in region.carriers.items():
                shares[carrier] += region.share * share
    elif by == "method":
        shares = {name: method.share for name, method in shop.methods.items()}
    else:
        shares = dict(shop.warehouses if by == "warehouse" else shop.channels)
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}
