"""What stops a run, told in one line."""

from __future__ import annotations

from streams.errors import DaybookError


class ChaosError(DaybookError):
    """A run could not be made: the fault is the surroundings' or the suite's, and nothing was found out."""
