"""One KPI under watch: all its series together, and whether somebody is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log10, nan
from typing import Any

import msgspec

from detectors.calendar.business import Circumstances
from detectors.calendar.lifts import Lifts
from detectors.calibration.conformal import Calibration
from detectors.calibration.contract import WEEK_MS, Contract
from detectors.calibration.onset import Onset
from detectors.models.expectation import Profile
from detectors.models.model import Reading
from detectors.watch.judgement import Held, Judgement, SeriesJudgement, Waits
from detectors.watch.scan import Wander
from detectors.watch.seen import Seen
from detectors.watch.series import Look, SeriesWatch
from detectors.watch.settings import DEFAULT, Settings
from detectors.watch.verdicts import Verdicts
from detectors.watch.words import Words
from detectors.watch.worse import worse_side
from streams.kpis.definitions import KpiDefinition
from streams.kpis.values import KpiValue

NOTEWORTHY = 2.0
"""From this surprise on it is said in words."""
_TRUST = 200.0
_LONGEST_MS = WEEK_MS
_LOOKS = 0.85
"""About seven times as likely as one reading is that one of the spans, up or down, is as strange."""
_NEW_MS = 2 * WEEK_MS
_TAUGHT_MS = 2 * WEEK_MS
"""So much of the total has to be learned until its week is a template for slices that are new."""

Around = Callable[[int, int, Mapping[str, str]], Circumstances]
"""What is known of a span (epoch ms) for a slice."""


class _Group:
    """Series that are alike: one statistic, sliced by the same dimensions. What is strange among them is learned of all
    of them together."""

    def __init__(self) -> None:
        self.calibration = Calibration(trust=_TRUST)
        self.wander = Wander()

    def state(self) -> dict[str, Any]:
        return {"calibration": self.calibration.state(), "wander": self.wander.state()}

    def load(self, state: dict[str, Any]) -> None:
        self.calibration.load(state["calibration"])
        self.wander.load(state["wander"])


class KpiWatch:
    """Judges the final values of a KPI, grain by grain, then learns them.

    Of each series the evidence is calibrated among series like it. The stranger a series is the more it counts, but
    the more series there are the stranger one of them is by chance: each group of slices has an equal share of the
    chance to be told of, and within it each series (weighted Bonferroni). The strangest is the KPI's surprise, ranked
    among those it has had, and what the contract makes of that is an alert on that series. Only what is for the worse
    alerts; where neither is better, both.

    Its state holds all that was learned; the same values in the same order give the same judgements.
    """

    def __init__(
        self,
        kpi: KpiDefinition,
        timezone: str,
        per_week: float,
        around: Around,
        words: Words,
        verdicts: Verdicts | None = None,
        settings: Settings = DEFAULT,
    ) -> None:
        self._kpi, self._timezone, self._around, self._words = kpi, timezone, around, words
        self._verdicts, self._heard = verdicts or Verdicts(), -1
        self._series: dict[str, SeriesWatch] = {}
        self._groups: dict[tuple[str, ...], _Group] = {}
        self._whole = Calibration(trust=_TRUST)
        self.contract = Contract(per_week, WEEK_MS / kpi.grain.ms)
        self._onset = Onset(0.0, 0.0, 1, max(2, _LONGEST_MS // kpi.grain.ms))
        self.adopt(per_week, settings)
        self._lifts = Lifts()
        self._last = -(1 << 62)
        self._began = -1
        self.listen: Callable[[Judgement], None] | None = None
        """Is told how each grain is judged, where somebody asks."""
        # Others are no larger and no smaller on holidays.
        self._lifted = kpi.kind in ("count", "sum")

    def adopt(self, per_week: float, settings: Settings) -> None:
        """Go on under other settings, told of ``per_week`` times a week, with all that was learned."""
        self._settings = settings
        self.contract.per_week = per_week
        self._onset.cool_down = max(1, settings.cool_down // self._kpi.grain.ms)

    @property
    def series(self) -> int:
        """How many series there are."""
        return len(self._series)

    def step(self, values: Sequence[KpiValue]) -> list[KpiValue]:
        """Judge all values of one grain, in their order. A grain that is not later than the last is left as it is."""
        if not values or values[0].start <= self._last:
            return list(values)
        if self._began < 0:
            self._began = values[0].start
        before, self._last = self._last, values[0].start
        self._hear()
        if self._lifted and before - self._began < WEEK_MS <= self._last - self._began:
            self._forget_the_first_week()
        members: dict[tuple[str, ...], list[int]] = {}
        for number, value in enumerate(values):
            members.setdefault((value.stat, *sorted(value.slice)), []).append(number)
        seen: list[Seen] = [None] * len(values)  # type: ignore[list-item]
        best, worst = 0.0, -1
        for key, numbers in members.items():
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = _Group()
            share = log10(len(members) * len(numbers))
            for number in numbers:
                one = seen[number] = self._see(values[number], group)
                if one.bad - share > best:
                    best, worst = one.bad - share, number
        surprise = max(0.0, -log10(self._whole.p_value(best)) - _doubt(values[0].start - self._began))
        open_before = self._onset.open
        alert = self._told(values[0].start, surprise)
        if self.listen is not None:
            self.listen(self._judgement(seen, members, surprise, alert))
        for key, numbers in members.items():
            for number in numbers:
                self._learn(seen[number], self._groups[key])
        if not self._onset.open:
            self._whole.learn(best)
        if alert or open_before != self._onset.open:
            # What has been told of, or is over, is no evidence of anything new.
            for series in self._series.values():
                series.begin_anew()
        return [self._judged(one, alert and number == worst, surprise) for number, one in enumerate(seen)]

    def _hear(self) -> None:
        """Take in what people made of alerts since the last grain."""
        for number, what in self._verdicts.after(self._kpi.name, self._heard):
            self._heard = number
            if what == "false_alarm":
                self.contract.harden()
            else:
                self.contract.ease()

    def _forget_the_first_week(self) -> None:
        """Of counts and sums everything is strange until a week has been seen: ranks among that would make the worst
        that can happen look ordinary for weeks."""
        for group in self._groups.values():
            group.calibration = Calibration(trust=_TRUST)
        self._whole = Calibration(trust=_TRUST)

    def _see(self, value: KpiValue, group: _Group) -> Seen:
        name = value.series
        series = self._series.get(name)
        if series is None:
            series = self._series[name] = self._new(value)
        around = self._around(value.start, value.end, value.slice)
        x = {
            "time": float(value.start),
            "span": float(value.end - value.start),
            "value": nan if value.value is None else float(value.value),
            "weight": float(value.weight),
            "lift": self._lifts.factor(around.kinds) if around.kinds else 1.0,
        }
        look = series.look(x, group.wander.scales, self._settings.longest)
        if not look.judged or not around.open:
            held: Held = "unknown" if around.open else "closed"
            return Seen(value, series, x, look, around, 0.0, 0.0, 0.0, held=held)
        evidence = look.evidence
        low, high = max(0.0, evidence.low - _LOOKS), max(0.0, evidence.high - _LOOKS)
        raw = max(low, high)
        both = -log10(group.calibration.p_value(raw))
        side = -1 if low > high else 1
        worse = worse_side(value.better, side)
        bad = both if side == worse or low == high else -log10(group.calibration.p_value(min(low, high)))
        cases = evidence.low_cases if worse < 0 else evidence.high_cases
        # A slice that is new among others.
        bad = max(0.0, bad - _doubt(value.start - series.since) + _doubt(value.start - self._began))
        held = self._held(x, look, around, cases)
        return Seen(value, series, x, look, around, 0.0 if held else bad, both, raw, bad, held, cases)

    def _held(self, x: Reading, look: Look, around: Circumstances, cases: float) -> Held:
        if not around.teaches:
            return "calendar"
        if around.holiday and not self._lifted:
            return "holiday"
        if cases < self._settings.least_cases:
            return "least_cases"
        return "" if self._is_large(x, look) else "least_change"

    def _is_large(self, x: Reading, look: Look) -> bool:
        """Whether a value is as far off as it has to be for somebody to be told."""
        if look.expected is None or not self._settings.least_change:
            return True
        return abs(x["value"] - look.expected.middle) >= self._settings.least_change * abs(look.expected.middle)

    def _new(self, value: KpiValue) -> SeriesWatch:
        template: Profile | None = None
        if value.slice:
            total = self._series.get(msgspec.structs.replace(value, slice={}).series)
            if total is not None and total.learned * self._kpi.grain.ms >= _TAUGHT_MS:
                template = total.model.profile()
        return SeriesWatch(self._kpi.kind, self._kpi.grain.ms, self._timezone, template, value.start)

    def _told(self, time: int, surprise: float) -> bool:
        """Whether the KPI's surprise is news."""
        self.contract.advance(time, 1)
        self._onset.trigger = self.contract.threshold
        self._onset.recovery = 0.5 * self._onset.trigger
        alert = self._onset.step(surprise)
        if alert:
            self.contract.alerted()
        return alert

    def _learn(self, one: Seen, group: _Group) -> None:
        if not one.around.open:
            return
        if one.look.judged and one.around.teaches and not self._onset.open:
            group.calibration.learn(one.raw)
            group.wander.learn(one.look.evidence.sums)
        if one.around.kinds and not one.value.slice and self._lifted:
            usual = one.series.model.expect({**one.x, "lift": 1.0})
            if usual is not None and one.value.value is not None:
                self._lifts.learn(one.around.kinds, one.x["time"], one.x["value"], usual.middle)
        one.series.learn(one.x, one.look, one.both, one.around.teaches, self._settings.protect)

    def _judgement(
        self, seen: Sequence[Seen], members: Mapping[tuple[str, ...], list[int]], surprise: float, alert: bool
    ) -> Judgement:
        first, series = seen[0].value, []
        for numbers in members.values():
            share = log10(len(members) * len(numbers))
            for one in (seen[number] for number in numbers):
                alone = -log10(self._whole.p_value(max(0.0, one.unheld - share))) - _doubt(first.start - self._began)
                series.append(SeriesJudgement(one.value, max(0.0, alone), one.held, one.cases))
        waits: Waits = "" if alert or not self._onset.waits else "open" if self._onset.open else "cool_down"
        return Judgement(first.start, first.end, surprise, self._onset.trigger, waits, alert, series)

    def _judged(self, one: Seen, alert: bool, surprise: float) -> KpiValue:
        expected, evidence = one.look.expected, one.look.evidence
        side = 0 if not one.both else -1 if evidence.low > evidence.high else 1
        strange = surprise if alert else one.both
        return msgspec.structs.replace(
            one.value,
            expected=None if expected is None else (expected.low, expected.middle, expected.high),
            borrowed=0.0 if expected is None else round(expected.borrowed, 3),
            surprise=round(strange, 3),
            side=side,
            alert=alert,
            why=self._words.why(one.value, one.look, one.around, strange) if alert or strange >= NOTEWORTHY else "",
        )

    def state(self) -> dict[str, Any]:
        """Everything learned, as plain values and arrays."""
        return {
            "series": {name: series.state() for name, series in self._series.items()},
            "groups": [[list(key), group.state()] for key, group in self._groups.items()],
            "whole": self._whole.state(),
            "contract": self.contract.state(),
            "onset": self._onset.state(),
            "lifts": self._lifts.state(),
            "last": self._last,
            "heard": self._heard,
            "began": self._began,
            "of": [self._kpi.kind, self._kpi.grain.ms],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of; as at first where that was of another kind or grain."""
        if list(state["of"]) != [self._kpi.kind, self._kpi.grain.ms]:
            return
        self._series, self._groups = {}, {}
        for name, told in state["series"].items():
            series = self._series[name] = SeriesWatch(self._kpi.kind, self._kpi.grain.ms, self._timezone, None)
            series.load(told)
        for key, told in state["groups"]:
            group = self._groups[tuple(key)] = _Group()
            group.load(told)
        self._whole.load(state["whole"])
        self.contract.load(state["contract"])
        self._onset.load(state["onset"])
        self._lifts.load(state["lifts"])
        self._last, self._began, self._heard = state["last"], state["began"], state["heard"]


def _doubt(age: int) -> float:
    """By how much what is so new (ms) has to be stranger: ten times on its first day, falling for two weeks."""
    return max(0.0, 1.0 - age / _NEW_MS)
