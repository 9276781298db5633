"""How unlikely a value is, on both sides: p-values of the distributions that KPIs have.

Discrete ones are counted in the middle (mid-p: half of the value's own probability belongs to its tail), so that p is
nearly uniform for low counts too: H. O. Lancaster, "Significance tests in discrete distributions", 1961.
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p, log10

from scipy.special import cython_special as special

SMALLEST = 1e-300
_MOST_TERMS = 60
_LARGE = 1e9
_LOG10 = log(10.0)


def surprise(p: float) -> float:
    """-log10 of a p-value, 0 to 300."""
    return max(0.0, -log10(max(p, SMALLEST)))


def two_sided(tail: float) -> float:
    """A p-value for both sides from the probability of one tail."""
    return min(1.0, max(0.0, 2.0 * min(tail, 1.0 - tail)))


def negative_binomial(k: float, mean: float, dispersion: float) -> float:
    """Two-sided mid-p of ``k`` events where ``mean`` (> 0) are expected, with variance mean + dispersion mean²."""
    size, odds = 1.0 / dispersion, dispersion * mean
    if k > _LARGE or mean > _LARGE:
        # So many that only how their rate varies matters.
        share = size * k / mean
        return two_sided(special.gammaincc(size, share) if k > mean else special.gammainc(size, share))
    own = lgamma(k + size) - lgamma(size) - lgamma(k + 1.0) - size * log1p(odds)
    own = exp(min(0.0, own + (k * (log(odds) - log1p(odds)) if k else 0.0)))
    if k > mean:
        return two_sided(special.betainc(k + 1.0, size, odds / (1.0 + odds)) + 0.5 * own)
    return two_sided(special.betainc(size, k + 1.0, 1.0 / (1.0 + odds)) - 0.5 * own)


def no_event(mean: float, dispersion: float) -> float:
    """The probability of no event at all where ``mean`` are expected: (1 + dispersion mean) ^ (-1 / dispersion)."""
    return exp(-log1p(dispersion * mean) / dispersion)


def beta_binomial(k: float, n: float, share: float, correlation: float) -> float:
    """Two-sided mid-p of ``k`` of ``n`` where each is expected with probability ``share`` (> 0, < 1).

    ``correlation`` (> 0, < 1) is how alike those of one reading are: the variance is n share (1 - share)
    (1 + (n - 1) correlation). Exact where the tail has few terms that matter; else between the two limits that are
    known: the binomial of an effective sample, and the beta distribution (good to 0.3 in surprise for p > 0.0001).
    """
    if k > n * share:
        k, share = n - k, 1.0 - share
    # Now the tail of interest is the lower one.
    strength = 1.0 / correlation - 1.0
    a, b = share * strength, (1.0 - share) * strength
    tail = _few_terms(k, n, a, b) if n < _LARGE else None
    if tail is None:
        effect = 1.0 + (n - 1.0) * correlation
        chance = _binomial(k / effect, n / effect, share)
        same = max(n / effect - 1.0, 1e-3)
        varied = special.betainc(share * same, (1.0 - share) * same, k / n)
        part = 1.0 / effect
        tail = exp(part * log(max(chance, SMALLEST)) + (1.0 - part) * log(max(varied, SMALLEST)))
    return two_sided(tail)


def _few_terms(k: float, n: float, a: float, b: float) -> float | None:
    """The lower tail of a beta-binomial distribution by its terms from k down; None if too many matter."""
    k = float(round(k))
    own = lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0)
    own += lgamma(k + a) + lgamma(n - k + b) - lgamma(n + a + b)
    term = exp(min(0.0, own + lgamma(a + b) - lgamma(a) - lgamma(b)))
    total = 0.5 * term
    for _ in range(_MOST_TERMS):
        if k <= 0.0 or term <= 1e-6 * total:
            return total
        term *= k * (b + n - k) / ((n - k + 1.0) * (a + k - 1.0))
        total += term
        k -= 1.0
    return total if k <= 0.0 else None


def _binomial(k: float, n: float, share: float) -> float:
    """The lower tail of k of n, mid-p; both need not be whole."""
    if n - k <= 0.0:
        return 1.0
    below = special.betainc(n - k + 1.0, k, 1.0 - share) if k > 0.0 else 0.0
    found: float = 0.5 * (below + special.betainc(n - k, k + 1.0, 1.0 - share))
    return found


def _above_zero(mean: float, variance: float, above: float) -> tuple[float, float]:
    """Mean and variance of what is not 0, which has the probability ``above``."""
    mean_above = mean / above
    square = (variance + mean * mean) / above
    return mean_above, max(square - mean_above * mean_above, 1e-9 * mean_above * mean_above)


def gamma_or_zero(value: float, mean: float, variance: float, zero: float) -> float:
    """Two-sided p of an amount that is 0 with probability ``zero`` and else gamma distributed.

    ``mean`` (> 0) and ``variance`` are of the whole.
    """
    zero = min(zero, 1.0 - 1e-12)
    if value <= 0.0:
        return two_sided(0.5 * zero)
    above = 1.0 - zero
    mean_above, spread = _above_zero(mean, variance, above)
    shape, ratio = mean_above * mean_above / spread, value * mean_above / spread
    if value > mean:
        return two_sided(above * special.gammaincc(shape, ratio))
    return two_sided(zero + above * special.gammainc(shape, ratio))


def gamma_or_zero_band(mean: float, variance: float, zero: float, share: float) -> tuple[float, float]:
    """What ``share`` of the amounts are between that :func:`gamma_or_zero` is about."""
    zero = min(zero, 1.0 - 1e-12)
    above, rest = 1.0 - zero, 0.5 * (1.0 - share)
    mean_above, spread = _above_zero(mean, variance, above)
    shape, scale = mean_above * mean_above / spread, spread / mean_above
    low: float = 0.0 if zero >= rest else special.gammaincinv(shape, (rest - zero) / above) * scale
    high: float = 0.0 if above <= rest else special.gammainccinv(shape, rest / above) * scale
    return low, high


def student(off: float, scale: float, freedom: float) -> float:
    """Two-sided p of a deviation in units of ``scale``, by Student's t with ``freedom`` degrees."""
    return two_sided(special.stdtr(freedom, -abs(off) / scale))


def gamma_band(mean: float, variance: float, share: float) -> tuple[float, float]:
    """What ``share`` of the values are between, of a gamma distribution with that mean (> 0) and variance."""
    shape, scale = mean * mean / variance, variance / mean
    rest = 0.5 * (1.0 - share)
    return special.gammaincinv(shape, rest) * scale, special.gammaincinv(shape, 1.0 - rest) * scale


def normal_band(middle: float, scale: float, freedom: float, share: float) -> tuple[float, float]:
    """What ``share`` of the values are between, by Student's t."""
    half = scale * special.stdtrit(freedom, 0.5 + 0.5 * share)
    return middle - half, middle + half


def beta_band(n: float, share: float, correlation: float, part: float) -> tuple[float, float]:
    """What ``part`` of the ratios of ``n`` observations are between, rounded outwards to what ``n`` can give."""
    effect = (1.0 + (n - 1.0) * correlation) / n
    strength = max(1.0 / effect - 1.0, 1e-6) if effect < 1.0 else 1e-6
    rest = 0.5 * (1.0 - part)
    a, b = share * strength, (1.0 - share) * strength
    low, high = special.betaincinv(a, b, rest), special.betaincinv(a, b, 1.0 - rest)
    step = 0.5 / n
    return max(0.0, low - step), min(1.0, high + step)


def normal_score(surprise: float, side: int) -> float:
    """How many standard deviations a two-sided surprise is, to the side it is on (-1 or 1; 0 gives 0)."""
    if not side or surprise <= 0.0:
        return 0.0
    found: float = -side * special.ndtri_exp(max(-surprise * _LOG10, -700.0) - log(2.0))
    return found
