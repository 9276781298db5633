"""Files of events as lines: one event a line, in files or on standard input, packed with gzip or not."""

from __future__ import annotations

import codecs
import gzip
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple, cast

from streams.history.replay.source import ReplayError

AT_ONCE = 4 << 20
"""Bytes that are read at once, about."""
STANDARD_INPUT = Path("-")
_PACKED = b"\x1f\x8b"


class Lines(NamedTuple):
    """Lines of a file that are not blank, with their numbers."""

    file: str
    numbers: list[int]
    values: list[bytes]


def size_of(paths: Iterable[Path]) -> int:
    """How many bytes there are to read, as far as that can be known.

    Raises :class:`~streams.history.replay.source.ReplayError` for the first that is no file.
    """
    total = 0
    for path in paths:
        if path == STANDARD_INPUT:
            continue
        try:
            found = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from None
        if path.is_dir():
            raise ReplayError(f"{path}: is a folder (expected a file of events, one a line)")
        total += found.st_size
    return total


def lines_of(
    path: Path, longest: int, progress: Callable[[int], None] = lambda read: None, at_once: int = AT_ONCE
) -> Iterator[Lines]:
    """The lines of a file, some at a time; ``-`` is standard input. ``progress`` is told how many bytes have been read.
    Of a line of more than ``longest`` bytes only the first are there, one more than that.

    Raises :class:`~streams.history.replay.source.ReplayError` where it cannot be read, or is packed and cut off.
    """
    name = "standard input" if path == STANDARD_INPUT else str(path)
    number = 0
    try:
        with ExitStack() as stack:
            raw: IO[bytes] = sys.stdin.buffer if path == STANDARD_INPUT else stack.enter_context(path.open("rb"))
            for some in _some(_unpacked(raw), longest + 1, at_once):
                values = [line.strip() for line in some]
                if number == 0:
                    values[0] = values[0].removeprefix(codecs.BOM_UTF8)
                numbers = [number + at for at, value in enumerate(values, 1) if value]
                number += len(values)
                if numbers:
                    yield Lines(name, numbers, [value for value in values if value])
                if path != STANDARD_INPUT and raw.seekable():
                    progress(raw.tell())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ReplayError(f"{name}: cannot be unpacked, it is damaged or cut off ({error})") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _unpacked(raw: IO[bytes]) -> IO[bytes]:
    head = raw.peek(len(_PACKED)) if hasattr(raw, "peek") else b""
    return cast(IO[bytes], gzip.open(raw)) if head.startswith(_PACKED) else raw


def _some(file: IO[bytes], most: int, at_once: int) -> Iterator[list[bytes]]:
    some, size = [], 0
    while line := file.readline(most):
        some.append(line)
        size += len(line)
        while len(line) == most and not line.endswith(b"\n"):
            line = file.readline(most)  # what is left of one that is too long
        if size >= at_once:
            yield some
            some, size = [], 0
    if some:
        yield some


def _unreadable(path: Path, error: OSError) -> ReplayError:
    return ReplayError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()})")
