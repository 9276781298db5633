"""Blocks made by Prometheus's own tool, which knows their format."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from streams.history.backfill.folder import BLOCKS, BackfillError
from streams.history.backfill.openmetrics import Samples
from streams.kpis.grid import HOUR_MS

SPAN_MS = 6 * HOUR_MS
"""The span of one block. Prometheus's blocks are of 2 h, and three of one length are merged into one of the next."""


def promtool() -> str:
    """Where the tool is. Raises :class:`BackfillError` where it is not."""
    found = shutil.which("promtool")
    if found is None:
        raise BackfillError(
            "promtool: is not installed; it comes with Prometheus (2.42 or later), and has to be on the PATH"
        )
    return found


class Blocks:
    """Makes blocks in the folder ``draft``, one of each :data:`SPAN_MS`."""

    def __init__(self, draft: Path) -> None:
        self._program = promtool()
        self._text = draft / "samples.om"
        self._folder = draft / BLOCKS
        self.made: list[Path] = []

    def make(self, samples: Samples) -> None:
        """Make a block of samples of one span, and forget them. Raises :class:`BackfillError`."""
        try:
            samples.write(self._text)
            done = subprocess.run(
                [
                    self._program,
                    *("tsdb", "create-blocks-from", "openmetrics", "--quiet"),
                    f"--max-block-duration={SPAN_MS // HOUR_MS}h",
                    str(self._text),
                    str(self._folder),
                ],
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise BackfillError(f"{self._text}: blocks cannot be made ({error.strerror})") from None
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
            raise BackfillError(f"{self._folder}: promtool cannot make blocks ({said[-1]})")
        self._text.unlink()
        self.made = sorted(path for path in self._folder.iterdir() if (path / "meta.json").is_file())

    @property
    def bytes(self) -> int:
        """How large they are."""
        return sum(file.stat().st_size for block in self.made for file in block.rglob("*") if file.is_file())
