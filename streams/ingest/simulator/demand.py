"""When customers come: the rhythm of the week and the year, growth, holidays, and noise beyond Poisson's."""

from __future__ import annotations

from datetime import UTC, datetime
from math import exp, log
from typing import NamedTuple

import numpy as np

from streams.ingest.simulator.draws import Quantiles, mix, poisson, uniform
from streams.ingest.simulator.localtime import DAY, HOUR, LocalDays, local
from streams.ingest.simulator.settings import SimulatorSettings

_YEAR = 365.2425 * DAY
_WORKDAY = (
    0.30, 0.18, 0.11, 0.09, 0.10, 0.18, 0.42, 0.72, 0.98, 1.18, 1.28, 1.30,
    1.26, 1.22, 1.18, 1.18, 1.22, 1.30, 1.42, 1.62, 1.82, 1.72, 1.22, 0.68,
)  # fmt: skip
_WEEKEND = (
    0.42, 0.26, 0.16, 0.11, 0.10, 0.13, 0.24, 0.46, 0.82, 1.18, 1.42, 1.50,
    1.46, 1.40, 1.36, 1.36, 1.38, 1.42, 1.50, 1.62, 1.72, 1.62, 1.18, 0.72,
)  # fmt: skip
_DAYS = (1.10, 1.03, 1.00, 0.99, 0.92, 0.86, 1.10)
_ON_HOLIDAYS = 0.85

_BLOCKS_MS = (HOUR, HOUR // 2, HOUR // 4, HOUR // 12, HOUR // 60)
_ORDERS_PER_BLOCK = 4_000
_SMALL = 200.0


def _week() -> list[float]:
    weights = [day * hour for at, day in enumerate(_DAYS) for hour in (_WEEKEND if at > 4 else _WORKDAY)]
    mean = sum(weights) / len(weights)
    return [weight / mean for weight in weights]


HOUR_OF_WEEK: list[float] = _week()
"""Demand by local hour of the week (Monday 0 to 1 o'clock first), relative to the mean."""


def season_factor(day_of_year: float, strength: float = 1.0) -> float:
    """Demand by day of the year (1 to 366): quiet in summer, a peak before Christmas, few orders between
    the years.

    The mean over the year is 1 for ``strength`` 1, to within a few percent for others.
    """
    peak = 0.62 * exp(-(((day_of_year - 338) / 16) ** 2))
    black_week = 0.30 * exp(-(((day_of_year - 330) / 4) ** 2))
    summer = -0.14 * exp(-(((day_of_year - 205) / 32) ** 2))
    christmas = -0.45 * exp(-(((day_of_year - 359) / 4) ** 2))
    return max(0.1, 1.0 + strength * (peak + black_week + summer + christmas - 0.0224))


class Block(NamedTuple):
    """A stretch of time in which customers are let in together; rates are expected orders per hour at its
    ends."""

    number: int
    start: int
    end: int
    first_rate: float
    last_rate: float

    def place(self, u: float) -> int:
        """When a customer comes: the inverse of the distribution that a linear rate gives, at ``u``."""
        first, last = self.first_rate, self.last_rate
        if abs(last - first) > 1e-9 * max(first, last):
            u = ((first * first + (last * last - first * first) * u) ** 0.5 - first) / (last - first)
        return self.start + int(u * (self.end - self.start))


class Demand:
    """The expected and the drawn number of orders over time. Draws depend on the seed and on absolute
    time alone."""

    def __init__(self, settings: SimulatorSettings, days: LocalDays) -> None:
        self._settings = settings
        self._days = days
        self._reference = settings.start if settings.reference is None else settings.reference
        seed = settings.seed
        self._day_key, self._hour_key, self._count_key = (mix(seed, 21), mix(seed, 22), mix(seed, 23))
        # The mean of a log-normal is above its median, by half of the variance of the logarithm.
        spread = log(1.0 + settings.dispersion / 2)
        self._noise = Quantiles.lognormal(exp(-spread / 2), spread**0.5)
        hourly = settings.orders_per_day / 24 * 2.5
        self.block_ms = next((ms for ms in _BLOCKS_MS if hourly * ms / HOUR <= _ORDERS_PER_BLOCK), _BLOCKS_MS[-1])

    def level(self, ms: int) -> float:
        """Orders a day by growth and season, the rhythm of the week left out."""
        grown = (1.0 + self._settings.growth) ** ((ms - self._reference) / _YEAR)
        clock = datetime.fromtimestamp(ms / 1000, UTC)
        day_of_year = clock.timetuple().tm_yday + clock.hour / 24
        return float(self._settings.orders_per_day * grown * season_factor(day_of_year, self._settings.season))

    def rate(self, ms: int) -> float:
        """Expected orders per hour at an instant, between the hours linear."""
        clock = local(ms, self._days.zone)
        hour = clock.weekday() * 24 + clock.hour
        within = (clock.minute * 60 + clock.second) / 3600
        weight = HOUR_OF_WEEK[hour] * (1 - within) + HOUR_OF_WEEK[(hour + 1) % 168] * within
        if self._days.holiday(clock.date().toordinal()):
            weight *= _ON_HOLIDAYS
        return self.level(ms) / 24 * weight

    def block(self, number: int) -> Block:
        """The block with this number; block 0 begins at the epoch."""
        start, end = number * self.block_ms, (number + 1) * self.block_ms
        return Block(number, start, end, self.rate(start), self.rate(end))

    def count(self, block: Block, factor: float = 1.0, stream: int = 0) -> int:
        """Draw how many customers come in a block when demand is ``factor`` times the usual.

        Independent streams of customers share the noise of day and hour.
        """
        mean = (block.first_rate + block.last_rate) / 2 * self.block_ms / HOUR * factor
        day = self._days.day_of(max(block.start, self._settings.start))
        mean *= self._noise(uniform(self._day_key, day)) * self._noise(uniform(self._hour_key, block.start // HOUR))
        key = mix(self._count_key, stream)
        if mean < _SMALL:
            return poisson(uniform(key, block.number), mean)
        return int(np.random.Generator(np.random.PCG64(mix(key, block.number))).poisson(mean))
