"""One series under watch: what is usual, how strange the last readings are, and what may be learned of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from detectors.calibration.contract import WEEK_MS
from detectors.models.by_kind import model_for
from detectors.models.counts import Counts
from detectors.models.expectation import Profile
from detectors.models.levels import Levels
from detectors.models.model import Expected, Reading
from detectors.models.ratios import Ratios
from detectors.models.silence import Quiet, Silence
from detectors.models.sums import Sums
from detectors.models.tails import normal_score, surprise
from detectors.watch.scan import Evidence, Scan
from detectors.watch.settings import DEFAULT

_USUAL = 1.5
"""Below it a series is as it was."""
_LASTING_MS = 3 * 86_400_000
"""What has been strange for so long is taught: it may be the new usual."""


class Look(NamedTuple):
    """What is seen of a reading: what is ``expected`` (None where too little is known), the ``evidence`` of it and
    those before it; its normal ``score``, its ``weight`` in sums and the ``cases`` it rests on. Whether anything was
    ``judged``: something was observed, and enough is known."""

    expected: Expected | None
    evidence: Evidence
    score: float = 0.0
    weight: float = 0.0
    cases: float = 0.0
    judged: bool = False
    quiet: Quiet | None = None
    """The silence that it makes longer, where that is the strangest of it."""


NOTHING = Evidence(0.0, 0.0)


class SeriesWatch:
    """A model of the series' kind, and the evidence of its last readings.

    Protection: a reading that is strange is not learned but set aside, and so are those after it until one is usual
    again; not in the first week of counts and sums, when hours come that were never seen. What lasts longer than three
    days is learned after all, with what was set aside; the model itself then takes a level that stays for usual within
    half a day.
    """

    __slots__ = ("_additive", "_aside", "_scan", "_silence", "_strange_since", "learned", "model", "since")

    def __init__(
        self,
        kind: str,
        grain: int,
        timezone: str,
        template: Sequence[float] | Profile | None = None,
        since: int = 0,
    ) -> None:
        self.model = model_for(kind, grain, timezone, template)
        self.since = since
        """When its first reading begins, epoch ms."""
        self.learned = 0
        """How many readings it was taught."""
        self._scan = Scan()
        self._silence = Silence(grain, timezone, counts=self.model) if isinstance(self.model, Counts) else None
        self._additive = kind not in ("count", "sum")
        self._aside: list[Reading] = []
        self._strange_since: float | None = None

    def look(self, x: Reading, scales: Sequence[float], longest: int = DEFAULT.longest) -> Look:
        """What is seen of a reading. Changes nothing. ``scales`` are those of :class:`~detectors.watch.scan.Wander`;
        evidence adds up over the ``longest`` span of readings."""
        expected, value = self.model.expect(x), x["value"]
        if expected is None or value != value:
            return Look(expected, NOTHING)
        off = value - expected.middle
        if isinstance(self.model, Levels):
            score, stands, scale = self.model.parts(x)
            weight = 1.0 / scale if scale > 0.0 else 0.0
            return Look(
                expected, self._scan.with_(score, weight, off, scales, stands, longest), score, weight, 0.0, True
            )
        score = normal_score(self.model.score_one(x), (off > 0.0) - (off < 0.0))
        width = expected.high - expected.low
        weight = (1.0 if self._additive else expected.middle) / width if width > 0.0 else 0.0
        cases = self._cases(x, off)
        evidence = self._scan.with_(score, weight, cases, scales, longest=longest)
        quiet = None if self._silence is None else self._silence.quiet(x)
        if quiet is not None and surprise(quiet.p) > evidence.low:
            span = round((x["time"] + x["span"] - quiet.since) / x["span"])
            evidence = evidence._replace(low=surprise(quiet.p), low_span=span, low_cases=quiet.expected)
            return Look(expected, evidence, score, weight, cases, True, quiet)
        return Look(expected, evidence, score, weight, cases, True)

    def _cases(self, x: Reading, off: float) -> float:
        """How many orders, parcels or tickets a deviation rests on, with its sign."""
        if isinstance(self.model, Counts):
            return off
        if isinstance(self.model, Sums):
            return off / self.model.single
        if isinstance(self.model, Ratios):
            return off * x["weight"]
        return x["weight"] if off > 0.0 else -x["weight"]

    def learn(
        self, x: Reading, look: Look, strange: float, teaches: bool = True, protect: float = DEFAULT.protect
    ) -> bool:
        """Take a reading for usual, unless it is ``strange`` (-log10 p, from ``protect`` on) or does not teach. Whether
        it was learned."""
        if self._silence is not None:
            self._silence.note(x)
        if not teaches:
            # What is known to be broken is no evidence either.
            self._pass_over(x)
            return False
        if look.judged:
            self._scan.add(look.score, look.weight, look.cases)
        if self._strange_since is None:
            if strange >= protect and not self._is_new(x, look):
                self._strange_since = x["time"]
        elif strange < _USUAL:
            self._strange_since, self._aside = None, []
        if self._strange_since is None:
            self._teach(x)
            return True
        if x["time"] - self._strange_since < _LASTING_MS:
            self._aside.append(x)
            self._pass_over(x)
            return False
        for earlier in self._aside:
            self._teach(earlier)
        self._aside = []
        self._teach(x)
        return True

    def _is_new(self, x: Reading, look: Look) -> bool:
        """Whether a count or sum is strange only for what could not be known: in the first week, in which hours come
        that have not been seen, and where something comes at an hour at which nothing is usual."""
        if self._additive:
            return False
        young = x["time"] - self.since < WEEK_MS
        return young or (look.score > 0.0 and look.expected is not None and look.expected.middle < 1.0)

    def _teach(self, x: Reading) -> None:
        self.model.learn_one(x)
        self.learned += 1

    def begin_anew(self) -> None:
        """Forget the evidence, not what is usual."""
        self._scan.clear()

    def _pass_over(self, x: Reading) -> None:
        if isinstance(self.model, Levels):
            self.model.pass_over(x)

    def state(self) -> dict[str, Any]:
        """Everything learned, as plain values and arrays."""
        return {
            "model": self.model.state(),
            "scan": self._scan.state(),
            "quiet": None if self._silence is None else self._silence.lasting(),
            "aside": [dict(x) for x in self._aside],
            "strange_since": self._strange_since,
            "since": self.since,
            "learned": self.learned,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        self.model.load(state["model"])
        self._scan.load(state["scan"])
        if self._silence is not None:
            self._silence.resume(state["quiet"])
        self._aside = [dict(x) for x in state["aside"]]
        self._strange_since = state["strange_since"]
        self.since, self.learned = state["since"], state["learned"]
