"""How long things take, slice by slice.

Times are all but never below zero and now and then far above the middle, so they are compared by their logarithms: what
was expected, and how far it may be off, as those of a log-normal distribution of that mean and variance. That all take
longer alike has two forms. All take so many times as long, as where a carrier is slow; or all take so much longer, as
where nobody answers: what is otherwise answered in minutes then waits as long as what is otherwise answered in hours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.incidents.divided import VAGUE, Floats

_FORMS = float(np.log(2.0))
"""What it costs to say which of two forms it has, nats."""
_LEAST = 1e-3
"""Nothing takes less than a millisecond (s)."""


def alone(actual: Floats, expected: Floats, variance: Floats, inside: npt.NDArray[np.bool_]) -> Floats:
    """How much better it explains some times that those ``inside`` are off, alike among themselves, and all others as
    expected, than that all are off alike: the logarithm of the ratio of likelihoods, of shape (hypotheses,).

    ``actual`` and ``expected`` are of shape (slices,), s for one case; ``variance`` is that of what was expected;
    ``inside`` of shape (hypotheses, slices).
    """
    expected = np.maximum(_LEAST, expected)
    was, usual = np.log(np.maximum(_LEAST, actual)), np.log(expected)
    precision = 1.0 / (np.log1p(variance / expected**2) + VAGUE**2)
    as_expected = -0.5 * precision * (was - usual) ** 2
    all_alike = _alike(was, expected, precision)
    return np.array([as_expected[~one].sum() + _alike(was[one], expected[one], precision[one]) for one in inside]) - (
        all_alike
    )


def _alike(was: Floats, expected: Floats, precision: Floats) -> float:
    """The log-likelihood where all take so many times as long, or so much longer, whichever is better; but for what is
    the same whatever the times."""
    usual = np.log(expected)
    longer = was - usual
    times = float(-0.5 * (precision * (longer - np.average(longer, weights=precision)) ** 2).sum())
    if was.size == 1:  # one form is as good as the other
        return times
    more = np.exp(was) - expected
    # The best addition lies among those that single slices speak for.
    tried = np.append(more, np.average(more, weights=precision))
    middles = np.log(np.maximum(_LEAST, expected + tried[:, np.newaxis]))
    added = float(np.max(-0.5 * (precision * (was - middles) ** 2).sum(axis=1)))
    return max(times, added) - _FORMS
