"""Virtual environments for engines whose packages are not ours, made once and kept under ``build``."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.errors import BenchmarkError

FOLDER = Path(__file__).resolve().parents[2] / "build" / "peers"
_INSTALLED_WITHIN = 600.0


def python_of(requirements: Path, folder: Path = FOLDER) -> Path:
    """The Python of an environment with just these requirements, made where it is missing or they have changed.

    Raises :class:`BenchmarkError` where they cannot be installed.
    """
    here = folder / requirements.stem
    python, stamp = here / "bin" / "python", here / ".installed"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(here, ignore_errors=True)
    _run(requirements, [sys.executable, "-m", "venv", str(here)])
    # Wheels only: building some of them takes a compiler, or Rust, and minutes.
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
    _run(requirements, [*install, "--no-deps", "--only-binary", ":all:", "-r", str(requirements)])
    stamp.write_text(wanted)
    return python


def _run(requirements: Path, argv: list[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_INSTALLED_WITHIN)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchmarkError(f"{requirements.name} could not be installed: {error}") from None
    if done.returncode:
        raise BenchmarkError(f"{requirements.name} could not be installed: {reason(done.stderr or done.stdout)}")


def reason(output: str) -> str:
    """The last error that pip told, or else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["no reason given"])[-1]
