"""The short run, with a fixed seed: every value exact although workers and the broker are killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.chaos.outcome import summary, write
from tests.chaos.plan import SHORT
from tests.chaos.run import run

SEED = 1
FOLDER = Path(__file__).resolve().parents[2] / ".daybook" / "chaos" / f"test-{SEED}"
"""Of the last run; not a temporary one, which is gone when somebody wants to know what happened."""


@pytest.mark.usefixtures("kafka_jars")
def test_every_value_is_exact_whatever_happens_to_the_processes() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    said: list[str] = []
    outcome = run(SHORT, SEED, FOLDER, said.append)
    write(outcome, FOLDER)
    happened = {kind: len(found) for kind, found in outcome.by_kind().items()}
    assert happened == {"kill": 3, "zombie": 1, "added": 1, "removed": 1, "broker_kill": 1}
    assert outcome.events.counted > 10_000
    assert not outcome.wrong(), "\n".join([*said, summary(outcome)])
