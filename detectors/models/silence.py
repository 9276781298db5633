"""How long nothing has come: "no order for 23 minutes, 1 in 600"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from detectors.models.clock import HOUR
from detectors.models.counts import Counts
from detectors.models.expectation import Profile
from detectors.models.model import Model, Reading
from detectors.models.reading import value_of
from detectors.models.tails import no_event, surprise

_LONGEST = 14 * 24


class Quiet(NamedTuple):
    """A silence: since when (epoch ms), how long (ms), how many events were ``expected`` in it, and how likely none
    is."""

    since: float
    length: float
    expected: float
    p: float

    def odds(self) -> str:
        """ "1 in 600", to two digits."""
        return odds(self.p)


def odds(p: float) -> str:
    """A probability as people say it, to two digits.

    >>> odds(0.00166), odds(0.3), odds(1e-9)
    ('1 in 600', '1 in 3', 'less than 1 in a million')
    """
    if p < 1e-6:
        return "less than 1 in a million"
    times = 1.0 / p
    if times < 100.0:
        return f"1 in {round(times)}" if times >= 1.5 else "usual"
    digits = 10 ** (len(str(int(times))) - 2)
    return f"1 in {round(times / digits) * digits:,}"


class Silence(Model):
    """The time since the last event, by the probability of none for so long.

    What was expected in that time is added up over the hours of the week it went through; its mean Λ and the
    dispersion φ of :class:`Counts` give P(none) = (1 + φ Λ) ^ (-1 / φ): inter-arrival times of a Poisson process
    whose rate is gamma distributed around what is usual. At night nothing is expected, and no silence is strange.

    For counts in readings much shorter than the silences of interest (a minute, five). ``value`` is how many came;
    a reading without any extends the silence to its end. Where an event was in its reading is not known, so a silence
    is counted from the reading's end. A missing reading is no silence: nothing is said after a gap until an event came.

    Parameters as of :class:`Counts`; ``counts`` is such a model to go by, where there is one already. About 3.5 kB a
    series.

    >>> model = Silence(grain=300_000)
    >>> for at in range(2000):
    ...     model.learn_one({"time": at * 300_000, "span": 300_000, "value": 2, "weight": 2})
    >>> quiet = model.quiet({"time": 2003 * 300_000, "span": 300_000, "value": 0, "weight": 0})
    >>> quiet is None  # readings are missing
    True
    """

    def __init__(
        self,
        grain: int,
        timezone: str = "UTC",
        template: Sequence[float] | Profile | None = None,
        dispersion: float = 0.1,
        counts: Counts | None = None,
    ) -> None:
        self._counts = Counts(grain, timezone, template, dispersion) if counts is None else counts
        self._since: float | None = None
        self._until = 0.0
        # Of the silence so far: what was expected, that times its dispersion, and how likely it was.
        self._expected = self._dispersed = 0.0
        self._p = 1.0

    def profile(self) -> Profile:
        """The shape of the week, mean 1: a template for the series' siblings."""
        return self._counts.profile()

    def quiet(self, x: Reading) -> Quiet | None:
        """The silence that a reading without events makes longer; None if it has one, or little is known yet."""
        value = value_of(x)
        if value is None or value > 0.0 or self._since is None or x["time"] > self._until:
            return None
        usual = self._counts.usual(x)
        if usual is None:
            return None
        expected, dispersed = self._expected + usual.mean, self._dispersed + usual.mean * usual.dispersion
        # A longer silence is not likelier, however little is known of the hours it goes on in.
        p = min(self._p, no_event(expected, dispersed / expected))
        return Quiet(self._since, x["time"] + x["span"] - self._since, expected, p)

    def score_one(self, x: Reading) -> float:
        quiet = self.quiet(x)
        return 0.0 if quiet is None else surprise(quiet.p)

    def learn_one(self, x: Reading) -> None:
        self.note(x)
        self._counts.learn_one(x)

    def note(self, x: Reading) -> None:
        """Remember whether anything came, and learn nothing of how much is usual: where ``counts`` are taught by
        others."""
        value, end = value_of(x), x["time"] + x["span"]
        if value is None:
            return
        if value > 0.0:
            self._since, self._until = end, end
            self._expected, self._dispersed, self._p = 0.0, 0.0, 1.0
        elif self._since is not None:
            if x["time"] > self._until or end - self._since > _LONGEST * HOUR:
                self._since = None
            else:
                usual, quiet = self._counts.usual(x), self.quiet(x)
                if usual is not None and quiet is not None:
                    self._expected, self._p = quiet.expected, quiet.p
                    self._dispersed += usual.mean * usual.dispersion
                self._until = end

    def lasting(self) -> list[float | None]:
        """The state of the silence alone."""
        return [self._since, self._until, self._expected, self._dispersed, self._p]

    def state(self) -> dict[str, Any]:
        return {"counts": self._counts.state(), "quiet": self.lasting()}

    def load(self, state: dict[str, Any]) -> None:
        self._counts.load(state["counts"])
        self.resume(state["quiet"])

    def resume(self, lasting: Sequence[Any]) -> None:
        """Become the silence that :meth:`lasting` told of."""
        since, *quiet = lasting
        self._since = None if since is None else float(since)
        self._until, self._expected, self._dispersed, self._p = map(float, quiet)
