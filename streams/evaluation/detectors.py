"""The detectors that can be evaluated, by name."""

from __future__ import annotations

from detectors.evaluation.baselines import BASELINES
from detectors.evaluation.candidate import Make
from detectors.general import GeneralDetector

OURS = "daybook"
CANDIDATES: dict[str, Make] = {OURS: GeneralDetector, **BASELINES}
