"""The agents of a worker: ``aggregate`` (events → partials) and ``detect`` (partials → KPI values)."""

from __future__ import annotations

from streams.runtime.agents.aggregate import Aggregate
from streams.runtime.agents.detect import Detect

__all__ = ["Aggregate", "Detect"]
