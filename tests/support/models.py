"""Every online model, for the checks that hold for all of them: one line each."""

from __future__ import annotations

from collections.abc import Callable

from detectors.models.counts import Counts
from detectors.models.durations import Durations
from detectors.models.joint import Joint
from detectors.models.level import Level
from detectors.models.levels import Levels
from detectors.models.means import Means
from detectors.models.model import Model
from detectors.models.ratios import Ratios
from detectors.models.seasonal import Seasonal
from detectors.models.shape import Shape
from detectors.models.shift import Shift
from detectors.models.sums import Sums

FIVE_MINUTES = 300_000
BERLIN = "Europe/Berlin"

MODELS: dict[str, Callable[[], Model]] = {
    "counts": lambda: Counts(FIVE_MINUTES, BERLIN),
    "durations": lambda: Durations(FIVE_MINUTES, BERLIN),
    "joint": lambda: Joint(["value", "weight"]),
    "level": Level,
    "levels": lambda: Levels(FIVE_MINUTES, BERLIN),
    "means": lambda: Means(FIVE_MINUTES, BERLIN),
    "ratios": lambda: Ratios(FIVE_MINUTES, BERLIN),
    "seasonal": Seasonal,
    "shape": Shape,
    "shape of means": lambda: Shape(scale=4),
    "shift": Shift,
    "sums": lambda: Sums(FIVE_MINUTES, BERLIN),
}

PROBABILITIES = {"counts", "durations", "joint", "levels", "means", "ratios", "sums"}
"""Those whose score is the surprise of a p-value: also the most usual reading has a little of it."""
