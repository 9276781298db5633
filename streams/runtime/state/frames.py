"""Entries of the state log as Kafka records: cut to the broker's limit, whole or not at all.

An entry is one or more frames of one writer; the last carries the checksum of the whole. An entry whose last frame is
missing, or whose checksum is wrong, never happened: its writer was cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple
from zlib import crc32

import msgspec

Offsets = tuple[int, ...]
"""The offsets to read a partition's sources on from."""

Kind = Literal["snapshot", "delta"]


class Step(NamedTuple):
    """From one state to the next: the number of that one and the next one's, which is higher; its sources' offsets
    before and after, what leads there, and how much work it would be to do that again, in events or cells."""

    after: int
    sequence: int
    begin: Offsets
    end: Offsets
    payload: bytes
    weight: int = 0


class Frame(msgspec.Struct, array_like=True, gc=False):
    """One record. ``entry`` numbers the writer's entries; ``checksum`` is set in the last part only."""

    writer: str
    entry: int
    part: int
    parts: int
    kind: Kind
    plan: str
    after: int
    sequence: int
    begin: Offsets
    end: Offsets
    weight: int
    checksum: int | None
    payload: bytes


class Entry(msgspec.Struct, frozen=True):
    """A whole entry: a snapshot of the state at ``end``, or what leads from ``begin`` to ``end``.

    ``plan`` is the fingerprint of the definitions it was made under; ``sequence`` numbers the states of a chain: that
    of the snapshot, or the one a delta leads to from ``after``. ``first`` is where its first frame stands in the log;
    the rest is as in :class:`Step`.
    """

    writer: str
    kind: Kind
    plan: str
    after: int
    sequence: int
    begin: Offsets
    end: Offsets
    payload: bytes
    weight: int = 0
    first: int = -1


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Frame)


def cut(entry: Entry, number: int, most_bytes: int) -> list[bytes]:
    """An entry as record values of at most ``most_bytes`` of payload each."""
    payload = entry.payload
    parts = [payload[at : at + most_bytes] for at in range(0, len(payload), most_bytes)] or [b""]
    checksum = crc32(payload)
    return [
        _ENCODER.encode(
            Frame(
                writer=entry.writer,
                entry=number,
                part=part,
                parts=len(parts),
                kind=entry.kind,
                plan=entry.plan,
                after=entry.after,
                sequence=entry.sequence,
                begin=entry.begin,
                end=entry.end,
                weight=entry.weight,
                checksum=checksum if part == len(parts) - 1 else None,
                payload=piece,
            )
        )
        for part, piece in enumerate(parts)
    ]


def join(records: Iterable[tuple[int, bytes]]) -> Iterator[Entry]:
    """The whole entries among ``(offset, value)`` records, in log order; frames of several writers may interleave."""
    open_: dict[str, list[Frame]] = {}
    first: dict[str, int] = {}
    for offset, value in records:
        try:
            frame = _DECODER.decode(value)
        except msgspec.MsgspecError:
            continue
        frames = open_.get(frame.writer, [])
        if frame.part == 0:
            frames, first[frame.writer] = [], offset
        elif not frames or frames[-1].entry != frame.entry or frame.part != frames[-1].part + 1:
            # The beginning was trimmed or never written, or a frame was appended twice.
            if not frames or frames[-1].entry != frame.entry or frame.part > frames[-1].part:
                open_.pop(frame.writer, None)
            continue
        frames.append(frame)
        open_[frame.writer] = frames
        if frame.part == frame.parts - 1:
            del open_[frame.writer]
            payload = b"".join(one.payload for one in frames)
            if crc32(payload) == frame.checksum:
                what = (frame.writer, frame.kind, frame.plan, frame.after, frame.sequence, frame.begin, frame.end)
                yield Entry(*what, payload, frame.weight, first[frame.writer])
