"""What is usual at an hour of the week: the part that the models of all kinds of KPIs share."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from math import exp
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from detectors.models.clock import DAY, HOUR, WEEK_HOURS, hour_of_week

Profile = npt.NDArray[np.float64]
"""A week's shape, (bins,): factors around 1, or additive offsets around 0."""

_LARGEST_GROWTH = 1e9
_NEW_LEVEL = 0.1
_CLOSED = 5.0
"""Events that were to be expected at an hour at which there never was one."""
_LEVEL_READINGS = 7


class Rate(NamedTuple):
    """What is expected of one unit of exposure.

    ``value`` has the present level in it, ``base`` has not. ``variance`` is of the estimate: relative to ``value``
    where rates multiply, absolute where they add. ``borrowed`` is the share that does not rest on the series' own
    history at that hour of the week.
    """

    value: float
    base: float
    variance: float
    borrowed: float


class Expectation:
    """A rate for each hour of the local week: fading sums of amounts and of exposures, each shrunk to its parent.

    An hour of the week is shrunk to that hour on working days or at weekends, this to that hour of any day, this to
    the rate of the whole week: (S + k parent) / (E + k), the posterior mean of a gamma prior with Poisson counts (and
    of a normal prior with normal means). The pseudo-exposure k is the variance of one unit of exposure divided by that
    of children around their parent; ``spreads`` says how far children are from their parents (standard deviation,
    hour of day first). So what varies much by chance borrows much, and soon nothing is borrowed where there is much to
    learn from. A. Gelman et al., "Bayesian Data Analysis", 3rd ed., 2.7 and 5.4.

    Where rates multiply, an hour of the week at which there never was anything, although five events were to be
    expected, is taken for closed: it borrows nothing.

    The present level follows within days: what was seen of late in relation to what the profile says (``multiply``:
    a factor, else a difference). A series grows and shrinks by it long before the profile has followed.

    Grains longer than an hour have bins as long as themselves. Hours are local time, so that business follows the wall
    clock through daylight saving; the exposure of a day of 23 hours is 23.

    Parameters:

    - ``grain``: length of the readings, ms, 5 minutes to a day;
    - ``timezone``: IANA name;
    - ``memory``, ``level_memory``: days until a reading counts for 1/e, the level's at least seven readings;
    - ``template``: a sibling's or a parent's :meth:`profile`. The series starts with that shape, at its own level,
      and departs from it as its history grows.
    """

    def __init__(
        self,
        grain: int,
        timezone: str = "UTC",
        *,
        multiply: bool = True,
        spreads: tuple[float, float, float] = (0.7, 0.3, 0.2),
        level_spread: float = 0.5,
        memory: float = 60.0,
        level_memory: float = 3.0,
        template: Sequence[float] | Profile | None = None,
        weekend: tuple[int, ...] = (5, 6),
    ) -> None:
        width = next((hours for hours in (1, 2, 3, 4, 6, 8, 12, 24) if hours * HOUR >= grain), WEEK_HOURS)
        self._width, self._bins, self._of_day = width, WEEK_HOURS // width, max(1, 24 // width)
        self._zone = ZoneInfo(timezone)
        self._multiply = multiply
        self._pulls = tuple(1.0 / (spread * spread) for spread in spreads)
        self._level_pull = 1.0 / (level_spread * level_spread)
        self._memory, self._level_memory = memory * DAY, max(level_memory * DAY, _LEVEL_READINGS * grain)
        self._hours = _both_hours(self._bins, self._of_day, weekend)
        self._template: Profile | None = None
        if template is not None:
            self._template = np.array(template, float)
            if self._template.shape != (self._bins,):
                raise ValueError(f"a template of {len(template)} bins, {self._bins} needed for this grain")
        # Bins of the week, then hours of working days, hours of weekends, and the whole. What is added grows by
        # 1 / fading instead of everything else fading.
        self._amounts = array("d", bytes(8 * (self._bins + 2 * self._of_day + 1)))
        self._exposures = array("d", self._amounts)
        self._since = 0.0
        self._first = self._last = 0.0
        self._seen = self._predicted = 0.0
        self.readings = 0
        self._asked: tuple[float, float, float, float] | None = None
        self._answer: Rate | None = None

    def at(self, time: float, span: float, unit: float, over: float) -> Rate | None:
        """What is usual in a span of ``span`` ms from ``time`` (epoch ms); None as long as nothing was learned.

        Where rates multiply, the relative variance of one unit of exposure is unit / rate + over: ``unit`` is the size
        of one event, ``over`` the exposure of a reading times what varies beyond chance. Where they add, ``unit`` is
        the variance of one unit of exposure, ``over`` the square of the scale that spreads are in.
        """
        if not self.readings:
            return None
        # A reading is asked for several times before the next is learned.
        asked = (time, span, unit, over)
        if asked != self._asked:
            self._asked, self._answer = asked, self._rate(time, span, unit, over)
        return self._answer

    def _rate(self, time: float, span: float, unit: float, over: float) -> Rate:
        base, variance, borrowed = self._profile_at(self._bin(time, span), self._growth(time), unit, over)
        fade = exp(-max(0.0, time - self._last) / self._level_memory)
        seen, predicted = self._seen * fade, self._predicted * fade
        if self._multiply:
            few = self._level_pull * unit
            level = (seen + few) / (predicted + few)
            variance += (unit + over * base) * predicted / (predicted + few) ** 2
            return Rate(base * level, base, variance, borrowed)
        few = self._level_pull * unit / over
        variance += unit * predicted / (predicted + few) ** 2
        return Rate(base + seen / (predicted + few), base, variance, borrowed)

    def learn(
        self, time: float, span: float, amount: float, exposure: float, usual: Rate | None, lift: float = 1.0
    ) -> None:
        """Take an amount over an exposure for usual; ``usual`` is what :meth:`at` said of it.

        ``lift`` is what the calendar multiplies the rate by, where rates multiply: it is taken out of what is learned.
        """
        if exposure <= 0.0:
            return
        place = self._bin(time, span)
        if not self.readings:
            self._first = self._since = time
        growth = self._growth(time)
        if growth > _LARGEST_GROWTH:
            self._fade(growth)
            self._since, growth = time, 1.0
        if self._multiply:
            exposure *= lift
            shaped = exposure * (1.0 if self._template is None else float(self._template[place]))
            shaped_amount = amount
        else:
            shaped = exposure
            shaped_amount = amount - exposure * (0.0 if self._template is None else float(self._template[place]))
        for at in (place, self._hours[place][0], -1):
            self._amounts[at] += growth * shaped_amount
            self._exposures[at] += growth * shaped
        if usual is not None:
            fade = exp(-max(0.0, time - self._last) / self._level_memory)
            # The first hours would take the course of the day for a change of level.
            trusted = min(1.0, max(0.0, time - self._first) / self._level_memory)
            predicted = trusted * exposure * (usual.base if self._multiply else 1.0)
            seen = trusted * (amount if self._multiply else amount - exposure * usual.base)
            self._seen = self._seen * fade + seen
            self._predicted = self._predicted * fade + predicted
        self._last = time
        self.readings += 1
        self._asked = None

    def adopt(self) -> None:
        """There is a new level: what was seen before counts for little, so that it is known within hours."""
        self._seen *= _NEW_LEVEL
        self._predicted *= _NEW_LEVEL
        self._first = min(self._first, self._last - self._level_memory)
        self._asked = None

    def tempered(self, time: float, value: float, limited: float) -> float:
        """What to learn of a reading: ``limited``, what is left of an outlier. In the first week hours come that were
        never seen: that they are quiet is no outlier."""
        young = not self.readings or time - self._first < WEEK_HOURS * HOUR
        return value if young and value < limited else limited

    def whole(self, few: float) -> float:
        """The rate of the whole week without level and template, beside ``few`` units of exposure at a rate of 1/2."""
        growth = self._growth(self._last)
        return (self._amounts[-1] + growth * few * 0.5) / (self._exposures[-1] + growth * few)

    def profile(self, unit: float, over: float) -> Profile:
        """The week's shape, (bins,): each rate divided by their mean, or less their mean. A template for others."""
        growth = self._growth(self._last)
        rates = np.array([self._profile_at(place, growth, unit, over)[0] for place in range(self._bins)])
        if not self._multiply:
            return np.asarray(rates - rates.mean())
        mean = rates.mean()
        return np.asarray(rates / mean) if mean > 0.0 else np.ones(self._bins)

    def _profile_at(self, place: int, growth: float, unit: float, over: float) -> tuple[float, float, float]:
        """The rate in a bin without the present level, the variance of its estimate, the share borrowed."""
        amounts, exposures, multiply = self._amounts, self._exposures, self._multiply
        pull_day, pull_kind, pull = self._pulls
        if multiply:
            # Half an event has always been seen: nothing is impossible for having not been seen yet.
            rate = (amounts[-1] + growth * 0.5 * unit) / exposures[-1] if exposures[-1] > 0.0 else unit
            noise = growth * (unit / rate + over)
            scale = noise
        else:
            rate = amounts[-1] / exposures[-1] if exposures[-1] > 0.0 else 0.0
            noise = growth * unit
            scale = noise / over
        variance = noise / exposures[-1] if exposures[-1] > 0.0 else 1.0
        hour, other = self._hours[place]
        pairs = (
            (amounts[hour] + amounts[other], exposures[hour] + exposures[other], pull_day),
            (amounts[hour], exposures[hour], pull_kind),
            (amounts[place], exposures[place], pull),
        )
        share = 1.0
        for amount, exposure, strength in pairs:
            if multiply and not amount and exposure > _CLOSED * growth * unit / rate:
                # Nothing ever, where much was to be expected: closed, which is no matter of degree.
                rate, variance, share = 0.5 * growth * unit / exposure, 1.0, 0.0
                continue
            if multiply:
                scale = noise = growth * (unit / max(rate, 1e-12 * unit) + over)
            pseudo = scale * strength
            total = exposure + pseudo
            share = pseudo / total
            before, rate = rate, (amount + pseudo * rate) / total
            parent = share * (before / rate if multiply and rate > 0.0 else 1.0)
            variance = noise / total + parent * parent * variance
        if self._template is not None:
            shape = float(self._template[place])
            rate = rate * shape if multiply else rate + shape
        return rate, variance, share

    def _bin(self, time: float, span: float) -> int:
        return hour_of_week(int(time + 0.5 * min(span, 2 * DAY)), self._zone) // self._width

    def _growth(self, time: float) -> float:
        return exp(min(500.0, max(0.0, time - self._since) / self._memory))

    def _fade(self, growth: float) -> None:
        for sums in (self._amounts, self._exposures):
            for at, value in enumerate(sums):
                sums[at] = value / growth

    def state(self) -> dict[str, Any]:
        level = [self._since, self._first, self._last, self._seen, self._predicted]
        return {
            "amounts": np.array(self._amounts),
            "exposures": np.array(self._exposures),
            "level": level,
            "readings": self.readings,
            "template": None if self._template is None else self._template.copy(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self._amounts = array("d", np.asarray(state["amounts"], float).tolist())
        self._exposures = array("d", np.asarray(state["exposures"], float).tolist())
        self._since, self._first, self._last, self._seen, self._predicted = map(float, state["level"])
        self.readings = int(state["readings"])
        self._asked = None
        self._template = None if state["template"] is None else np.array(state["template"], float)


@lru_cache(maxsize=64)
def _both_hours(bins: int, of_day: int, weekend: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """For each bin of the week where the sums of its hour are, of working days or weekends as its day is, and of the
    others."""
    found = []
    for place in range(bins):
        day, hour = divmod(place, of_day)
        working, free = bins + hour, bins + of_day + hour
        found.append((free, working) if day in weekend else (working, free))
    return tuple(found)
