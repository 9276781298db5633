"""Bytes by their address: single ones and eight at a time, their lowest marked one, and products of 128 bits.

Addresses and not arrays: an array that is handed from function to function is counted in and out each time, which
costs more than what is done with it here. Nothing checks bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from streams.kpis.compiled import lean

PADDING = 32
"""So many bytes must follow the last one that is looked at: words are read past the end of what they are wanted for."""

_WORD = ir.IntType(64)


def _intrinsic(function: Any) -> Any:
    """By its annotations Numba's own would have the caller give the first argument."""
    return intrinsic(function)


@_intrinsic
def address(typing: Any, array: Any) -> Any:
    """Where an array's first byte is in memory. The caller keeps the array alive."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.ptrtoint(made.data, _WORD)

    return types.int64(array), generate


@_intrinsic
def word(typing: Any, at: Any) -> Any:
    """The eight bytes at an address as an unsigned integer, the first one lowest."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], _WORD.as_pointer()), align=1)

    return types.uint64(types.int64), generate


@_intrinsic
def put_word(typing: Any, at: Any, value: Any) -> Any:
    """Write eight bytes at an address, as :func:`word` reads them. The caller sees to it that they may be written."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], _WORD.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), generate


@_intrinsic
def byte(typing: Any, at: Any) -> Any:
    """The byte at an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], ir.IntType(8).as_pointer()))

    return types.uint8(types.int64), generate


@_intrinsic
def marks(typing: Any, at: Any) -> Any:
    """Which of the sixteen bytes at an address are no plain text, a bit for each, the first one lowest: quotes,
    backslashes, control characters and everything beyond ASCII."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sixteen = ir.VectorType(ir.IntType(8), 16)

        def every(number: int) -> Any:
            return ir.Constant(sixteen, [number] * 16)

        text = builder.load(builder.inttoptr(args[0], sixteen.as_pointer()), align=1)
        marked = builder.icmp_unsigned(">=", builder.sub(text, every(0x20)), every(0x7F - 0x20))
        for sign in b'"\\':
            marked = builder.or_(marked, builder.icmp_unsigned("==", text, every(sign)))
        return builder.zext(builder.bitcast(marked, ir.IntType(16)), _WORD)

    return types.uint64(types.int64), generate


@_intrinsic
def lowest_bit(typing: Any, bits: Any) -> Any:
    """The place of the lowest bit that is set, 64 where none is."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@_intrinsic
def swapped(typing: Any, bits: Any) -> Any:
    """The bytes of a word in the opposite order."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bswap(args[0])

    return types.uint64(types.uint64), generate


@_intrinsic
def high_product(typing: Any, one: Any, other: Any) -> Any:
    """The upper 64 of a product's 128 bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), _WORD)

    return types.uint64(types.uint64, types.uint64), generate


_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_EIGHT, _BITS = np.int64(8), np.int64(64)
_ONE, _TWO, _THREE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93), np.uint64(0xFF51AFD7ED558CCD)
_HALF = np.uint64(32)


@lean
def beginning(at, length):  # type: ignore[no-untyped-def]
    """The first ``length`` bytes at ``at``, at most eight, as a word; what is above them is 0."""
    if length >= _EIGHT:
        return word(at)
    if length <= 0:
        return np.uint64(0)
    return word(at) & (_ALL >> np.uint64(_BITS - _EIGHT * length))


@lean
def same(at, there, length):  # type: ignore[no-untyped-def]
    """Whether the ``length`` bytes at one address are those at another."""
    while length >= _EIGHT:
        if word(at) != word(there):
            return False
        at += _EIGHT
        there += _EIGHT
        length -= _EIGHT
    return beginning(at, length) == beginning(there, length)


@lean
def mixed(at, length, seed):  # type: ignore[no-untyped-def]
    """A hash of 64 bits, for tables in memory only: nothing that is kept depends on it."""
    value = (np.uint64(length) ^ np.uint64(seed) * _THREE) * _ONE
    while length > 0:
        value ^= beginning(at, length)
        value = (value * _TWO) ^ high_product(value, _TWO)
        at += _EIGHT
        length -= _EIGHT
    value *= _THREE
    return np.int64((value ^ (value >> _HALF)) >> np.uint64(1))
