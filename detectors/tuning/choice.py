"""Which of two settings is better, and whether that is more than chance."""

from __future__ import annotations

from typing import NamedTuple

from scipy.stats import binomtest, poisson

from detectors.tuning.course import Score

ALLOWED = 0.25
"""False alarms of a KPI a week that a team puts up with."""
CHANCE = 0.1
"""What is as likely as that by chance is no proof."""
BACK = 0.5
"""The same of going back to the default: it was proved elsewhere, and what departs from it has to be better."""
_DELAY, _FALSE, _KEPT = 0.02, 0.05, 0.5


def worth(score: Score, allowed: float = ALLOWED) -> float:
    """What alerts are worth: the share of what was found, less what false ones beyond those that are allowed cost. A
    day earlier, and fewer false ones, decide between what finds the same."""
    rate = score.false_a_week / allowed
    return score.recall - max(0.0, rate - 1.0) - _FALSE * min(rate, 1.0) - _DELAY * min(score.delay, 24.0) / 24.0


class Verdict(NamedTuple):
    """Whether a proposal is better than what it is to replace, and why, in words."""

    better: bool
    why: str


def verdict(today: Score, proposed: Score, chance: float = CHANCE, allowed: float = ALLOWED) -> Verdict:
    """Of the same labels in the same time, which neither was chosen by.

    What only one of them finds decides on recall (Q. McNemar, 1947, the exact binomial), false alarms on quiet: given
    how many there were of both, as many each were to be expected; in copies of the same time they are much the same,
    and count once. A proposal wins where one of them is better by more than ``chance`` and it is worth more as a whole;
    and where false alarms are more than are ``allowed``, by more than chance, and it has fewer: what it misses is then
    the price of that, up to half of what was found.
    """
    gained, lost = len(proposed.found - today.found), len(today.found - proposed.found)
    fewer = today.false - proposed.false
    told = f"finds {gained} more and {lost} fewer of {today.labels}, false alarms {today.false} → {proposed.false}"
    if worth(proposed, allowed) <= worth(today, allowed):
        return Verdict(False, f"worth no more: {told}")
    if fewer > 0 and _too_many(today, allowed) <= CHANCE and len(proposed.found) >= _KEPT * len(today.found):
        return Verdict(True, told)
    if lost > gained and _by_chance(lost, gained + lost) <= chance:
        return Verdict(False, f"misses too much: {told}")
    if gained > lost and _by_chance(gained, gained + lost) <= chance:
        return Verdict(True, told)
    once, then = _once(today), _once(proposed)
    if fewer > 0 and _by_chance(once, once + then) <= chance:
        return Verdict(True, told)
    return Verdict(False, f"may be chance: {told}")


def _once(score: Score) -> int:
    """False alarms in one of the copies."""
    return round(score.false / score.copies)


def _too_many(score: Score, allowed: float) -> float:
    """How likely so many false alarms are where ``allowed`` come a week (Poisson)."""
    return float(poisson.sf(_once(score) - 1, allowed * score.weeks / score.copies))


def _by_chance(ours: int, both: int) -> float:
    return float(binomtest(ours, both, 0.5, alternative="greater").pvalue) if both else 1.0
