"""A small disk of its own for the broker's log, which can be filled and freed: a tmpfs, where we may mount one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

_BALLAST = "ballast"


class SmallDisk:
    """Use as a context manager. ``mounted`` says whether it is one; ``reason`` why not. Where it is not, the folder
    is a folder like any other, and :meth:`fill` must not be called."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder, self.megabytes = folder, megabytes
        self.mounted = False
        self.reason = ""

    def __enter__(self) -> SmallDisk:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m,mode=0700", "tmpfs", str(self.folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            self.reason = f"mount: {error.strerror}"
            return self
        self.mounted = done.returncode == 0
        self.reason = "" if self.mounted else (done.stderr.strip().splitlines() or ["mount refused"])[-1]
        return self

    def __exit__(self, *_: object) -> None:
        self.free()
        if self.mounted:
            # Lazily: what still has a file open there keeps it until it ends.
            subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, check=False)
            self.mounted = False

    @property
    def used(self) -> int:
        """Bytes in use, ballast aside."""
        found = os.statvfs(self.folder)
        ballast = self.folder / _BALLAST
        return (found.f_blocks - found.f_bfree) * found.f_frsize - (ballast.stat().st_size if ballast.exists() else 0)

    def fill(self, within: float = 2.0) -> None:
        """Leave no byte free, also of what others let go of in the meantime."""
        assert self.mounted
        deadline = time.monotonic() + within
        with (self.folder / _BALLAST).open("ab") as ballast:
            while time.monotonic() < deadline:
                found = os.statvfs(self.folder)
                free = found.f_bavail * found.f_frsize
                if free:
                    with contextlib.suppress(OSError):
                        os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, free)
                time.sleep(0.05)

    def free(self) -> None:
        """Give the space back."""
        (self.folder / _BALLAST).unlink(missing_ok=True)
