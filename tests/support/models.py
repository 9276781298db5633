"""Every online model, for the checks that hold for all of them: one line each."""

from __future__ import annotations

from collections.abc import Callable

from detectors.models.level import Level
from detectors.models.model import Model
from detectors.models.seasonal import Seasonal
from detectors.models.shape import Shape

MODELS: dict[str, Callable[[], Model]] = {
    "level": Level,
    "seasonal": Seasonal,
    "shape": Shape,
    "shape of means": lambda: Shape(scale=4),
}
