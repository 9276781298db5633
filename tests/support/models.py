"""Every model, as it is made: a new line here is a new model that must pass the shared checks."""

from __future__ import annotations

from collections.abc import Callable

from detectors.models.daytime import Daytime
from detectors.models.deviation import Deviation
from detectors.models.jump import Jump
from detectors.models.model import Model
from detectors.models.rarity import Rarity
from detectors.models.shape import Shape
from detectors.models.shift import Shift, Spread

MODELS: dict[str, Callable[[], Model]] = {
    "daytime": Daytime,
    "deviation": lambda: Deviation(300),
    "jump": Jump,
    "rarity": lambda: Rarity(500, 10),
    "shape": lambda: Shape(8, 300, 5),
    "shift": lambda: Shift(12, 200),
    "spread": lambda: Spread(20, 200),
}
