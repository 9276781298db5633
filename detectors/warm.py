"""Compile the models' inner loops ahead of time: ``python -m detectors.warm``.

The results are kept on disk, so that the first series is judged as fast as the next.
"""

from __future__ import annotations

from time import perf_counter

from detectors.general import GeneralDetector

_MINUTE = 60_000
_ROWS = 5_000


def warm() -> None:
    """Take a detector through more rows than any of its parts remembers."""
    detector = GeneralDetector()
    for row in range(_ROWS):
        detector.step(row * _MINUTE, float(row % 7 + row // 900))


if __name__ == "__main__":
    print("Compiling the detectors (once after an installation, some seconds) …", flush=True)
    began = perf_counter()
    warm()
    print(f"Compiled in {perf_counter() - began:.0f} s.", flush=True)
