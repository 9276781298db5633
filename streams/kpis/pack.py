"""Arrays and plain values to bytes and back: MessagePack, compressed, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

from streams.errors import ContractError

_ARRAY = 1
_EXT32, _MAP32 = 0xC9, 0xDF
"""MessagePack's marks of an extension and of a map, each followed by a length of four bytes."""

DEPTH = 2
"""Maps within maps that go entry by entry; below, a call for each would take longer than it spares memory."""

Write = Callable[[bytes | memoryview], object]


def _head_of(array: npt.NDArray[Any]) -> bytes:
    head = msgspec.msgpack.encode((array.dtype.str, array.shape))
    return len(head).to_bytes(2, "big") + head


def _little(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _encode(value: object) -> object:
    if isinstance(value, np.ndarray):
        little = _little(value)
        return msgspec.msgpack.Ext(_ARRAY, b"".join((_head_of(little), little.data)))
    if isinstance(value, np.integer):
        return int(value)
    raise TypeError(f"{type(value).__name__} cannot be packed")


def _write(value: object, write: Write, depth: int = DEPTH) -> None:
    """The same values piece by piece, so that no second copy of a large state is made: maps by their entries, arrays as
    they lie in memory."""
    if isinstance(value, dict) and depth:
        write(bytes((_MAP32,)) + len(value).to_bytes(4, "big"))
        for key, of in value.items():
            write(msgspec.msgpack.encode(key))
            _write(of, write, depth - 1)
    elif isinstance(value, np.ndarray):
        little = _little(value)
        head = _head_of(little)
        write(bytes((_EXT32,)) + (len(head) + little.nbytes).to_bytes(4, "big") + bytes((_ARRAY,)))
        write(head)
        if little.size:
            write(little.reshape(-1).view(np.uint8).data)
    else:
        write(msgspec.msgpack.encode(value, enc_hook=_encode))


def _decode(code: int, data: memoryview) -> object:
    if code != _ARRAY:
        raise ContractError(f"unknown extension {code} in packed state")
    length = int.from_bytes(data[:2], "big")
    kind, shape = msgspec.msgpack.decode(data[2 : 2 + length], type=tuple[str, tuple[int, ...]])
    return np.frombuffer(data[2 + length :], dtype=kind).reshape(shape).copy()


def pack(value: Any) -> bytes:
    """Compressed bytes of plain values, lists, maps and integer arrays."""
    packed: list[bytes] = []
    compressor = zstandard.ZstdCompressor(1).compressobj()
    _write(value, lambda piece: packed.append(compressor.compress(piece)))
    packed.append(compressor.flush())
    return b"".join(packed)


def unpack(raw: bytes) -> Any:
    """What :func:`pack` packed, lists for tuples. Raises :class:`ContractError` for anything else."""
    try:
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        plain = decompressor.decompress(raw)
        if not decompressor.eof or decompressor.unused_data:
            raise ContractError("not packed state: it is cut short, or something follows it")
        return msgspec.msgpack.decode(plain, ext_hook=_decode)
    except (msgspec.MsgspecError, zstandard.ZstdError, ValueError) as error:
        raise ContractError(f"not packed state: {error}") from None
