"""Programs that some tests need and not every machine has."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def program(*names: str) -> str:
    """Where the program is that goes by one of these names; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"{' or '.join(names)} is not installed")
    return found


def run(*argv: object) -> str:
    """What a program says, which must end well within a minute."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
