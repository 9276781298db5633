"""A bounded log file for what a child process says."""

from __future__ import annotations

from pathlib import Path
from typing import IO

MOST_BYTES = 10_000_000


class LogFile:
    """A file that is begun anew when it has grown past :data:`MOST_BYTES`, with one predecessor kept as
    ``.1``.

    Without a ``path`` it takes everything and keeps nothing. ``anew`` empties it first.
    """

    def __init__(self, path: Path | None, *, anew: bool) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._size = 0
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb" if anew else "ab")
            self._size = self._file.tell()

    def __enter__(self) -> LogFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, line: bytes) -> None:
        """Append a line, which is on its way to the disk when this returns."""
        if self._file is None or self._path is None:
            return
        if self._size + len(line) > MOST_BYTES:
            self._file.close()
            self._path.replace(self._path.with_suffix(self._path.suffix + ".1"))
            self._file, self._size = self._path.open("wb"), 0
        self._size += len(line)
        self._file.write(line)
        self._file.flush()
