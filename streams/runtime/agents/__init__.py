"""The agents of a worker: ``aggregate`` (events → partials), ``detect`` (partials → KPI values) and ``incidents`` (KPI
values → incidents)."""

from __future__ import annotations

from streams.runtime.agents.aggregate import Aggregate
from streams.runtime.agents.detect import Detect
from streams.runtime.agents.incidents import Respond

__all__ = ["Aggregate", "Detect", "Respond"]
