"""What Daybook's watch made of a recording, value by value, kept beside it: what incidents are grouped from.

A file is named by the recording and a hash of the code that judges. In it are the hours, each a list of values in
MessagePack behind its length, compressed as one stream.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec
import zstandard

from detectors.evaluation.watcher import Context
from detectors.evaluation.watchers import Daybook
from streams.events.times import parse_time
from streams.kpis.values import KpiValue
from tests.evaluation import recording
from tests.evaluation.trial import CONTRACT

FOLDER = "judged"
_CODE = ("calendar", "calibration", "models", "watch")
_LIBRARIES = ("river", "numpy", "scipy", "holidays")
_LENGTH = 4
_DECODER = msgspec.msgpack.Decoder(list[KpiValue])


@cache
def _code() -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for place in _CODE:
        for path in sorted((recording.ROOT / "detectors" / place).rglob("*.py")):
            digest.update(str(path.relative_to(recording.ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    for name in _LIBRARIES:
        digest.update(f"{name} {version(name)}\0".encode())
    return digest.digest()


def path_of(of: Path) -> Path:
    """Where what was judged of a recording is, or will be."""
    digest = hashlib.blake2b(_code(), digest_size=6)
    return of.parent / FOLDER / f"{of.stem}-{digest.hexdigest()}.zst"


def make(of: Path) -> Path:
    """Judge a recording and keep what comes of it; a reader never sees half of it. What is there already is left."""
    path = path_of(of)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.part")
        with draft.open("wb") as file, zstandard.ZstdCompressor(3).stream_writer(file) as writer:
            for hour in _judge(recording.load(of)):
                raw = msgspec.msgpack.encode(hour)
                writer.write(len(raw).to_bytes(_LENGTH, "big") + raw)
        draft.replace(path)
    return path


def _judge(record: recording.Recording) -> Iterator[list[KpiValue]]:
    calendar = sorted(record.calendar, key=lambda entry: parse_time(entry.start))
    watcher = Daybook(Context(recording.definitions(), calendar, CONTRACT))
    for values in record.steps():
        watcher.step(values)
        yield list(watcher.judged)


def hours(path: Path) -> Iterator[list[KpiValue]]:
    """What :func:`make` kept, hour by hour."""
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
        while head := _read(reader, _LENGTH):
            yield _DECODER.decode(_read(reader, int.from_bytes(head, "big")))


def _read(reader: zstandard.ZstdDecompressionReader, size: int) -> bytes:
    """So many bytes, or none at the end."""
    pieces: list[bytes] = []
    while size and (piece := reader.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
