"""Arrays and plain values to bytes and back: MessagePack, compressed, the same on every machine."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import zstandard

from streams.errors import ContractError

_ARRAY = 1


def _encode(value: object) -> object:
    if isinstance(value, np.ndarray):
        little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        head = msgspec.msgpack.encode((little.dtype.str, little.shape))
        return msgspec.msgpack.Ext(_ARRAY, b"".join((len(head).to_bytes(2, "big"), head, little.data)))
    if isinstance(value, np.integer):
        return int(value)
    raise TypeError(f"{type(value).__name__} cannot be packed")


def _decode(code: int, data: memoryview) -> object:
    if code != _ARRAY:
        raise ContractError(f"unknown extension {code} in packed state")
    length = int.from_bytes(data[:2], "big")
    kind, shape = msgspec.msgpack.decode(data[2 : 2 + length], type=tuple[str, tuple[int, ...]])
    return np.frombuffer(data[2 + length :], dtype=kind).reshape(shape).copy()


def pack(value: Any) -> bytes:
    """Compressed bytes of plain values, lists, maps and integer arrays."""
    return zstandard.compress(msgspec.msgpack.encode(value, enc_hook=_encode), 1)


def unpack(raw: bytes) -> Any:
    """What :func:`pack` packed, lists for tuples. Raises :class:`ContractError` for anything else."""
    try:
        return msgspec.msgpack.decode(zstandard.decompress(raw), ext_hook=_decode)
    except (msgspec.MsgspecError, zstandard.ZstdError, ValueError) as error:
        raise ContractError(f"not packed state: {error}") from None
