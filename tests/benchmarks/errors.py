"""What stops a benchmark, told in one line."""

from __future__ import annotations

from streams.errors import DaybookError


class BenchmarkError(DaybookError):
    """A benchmark could not be run, or what it ran gave a wrong result."""
