"""The allocator gives large blocks back."""

from __future__ import annotations

import subprocess
import sys

import pytest

_FREED = """
import numpy as np
from streams.runtime.memory import settle_allocator
from tests.benchmarks.processes import usage
import os
assert settle_allocator()
before = usage(os.getpid()).resident
for _ in range(3):
    # Large ones freed among small ones that stay: what glibc would keep, having raised its threshold.
    large = [np.ones(1_000_000) for _ in range(20)]
    small = [np.ones(2_000) for _ in range(20)]
    del large
print(usage(os.getpid()).resident - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_large_blocks_are_given_back_when_they_are_freed() -> None:
    done = subprocess.run([sys.executable, "-c", _FREED], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 20
