"""Marks: where a source partition's published results come from, written down before they are published.

What a kernel publishes depends on how far it has read each of its three topics, not on each of them alone:
an order may look overdue until its delivery is read a moment later. A kernel rebuilt by another worker must
therefore pass through the very points at which results were published before, or something said in passing
would never be taken back. The mark names them: everything up to ``done`` is published and acknowledged,
everything up to ``reached`` may be.

One record per publication, in the state log's partition of the same number; the last one counts.
"""

from __future__ import annotations

import msgspec

from streams.errors import ContractError

Offsets = tuple[int, int, int]
"""The offsets to read on from, of orders, deliveries and support."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """``edition`` stands for the KPI definitions, ``owner`` for the worker."""

    edition: str
    owner: str
    done: Offsets
    reached: Offsets

    def encode(self) -> bytes:
        """MessagePack, as in the state log."""
        return _ENCODER.encode(self)

    @staticmethod
    def decode(raw: bytes | None) -> Mark:
        """Read what :meth:`encode` wrote. Raises :class:`ContractError` for anything else."""
        try:
            return _DECODER.decode(raw or b"")
        except msgspec.MsgspecError as error:
            raise ContractError(f"not a mark: {error}") from None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Mark)
