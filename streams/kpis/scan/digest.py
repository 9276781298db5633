"""XXH3 with 128 bits of a few bytes, compiled: the same digests as the xxhash library's.

Source: Y. Collet, the xxHash specification, XXH3 for inputs of 1 to 128 bytes.
"""

from __future__ import annotations

import numpy as np

from streams.kpis.compiled import lean
from streams.kpis.scan.words import beginning, byte, high_product, swapped, word

LONGEST = 128
"""More bytes than this are not digested here."""

_SECRET = np.frombuffer(
    bytes.fromhex(
        "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
        "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
        "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
        "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    ),
    dtype=np.uint8,
)
"""The beginning of the default secret: inputs of up to 128 bytes use no more of it."""

_WORDS = _SECRET.view("<u8").astype(np.uint64)
_S0, _S1, _S2, _S3, _S4, _S5, _S6, _S7 = (np.uint64(one) for one in _WORDS[:8].tolist())
_TINY_LOW = np.uint64((int(_S0) & 0xFFFFFFFF) ^ (int(_S0) >> 32))
_TINY_HIGH = np.uint64((int(_S1) & 0xFFFFFFFF) ^ (int(_S1) >> 32))
_SMALL = _S2 ^ _S3
_MEDIUM_LOW = _S4 ^ _S5
_MEDIUM_HIGH = _S6 ^ _S7

_P32_2 = np.uint64(0x85EBCA77)
_P1, _P2, _P3, _P4 = (
    np.uint64(0x9E3779B185EBCA87),
    np.uint64(0xC2B2AE3D27D4EB4F),
    np.uint64(0x165667B19E3779F9),
    np.uint64(0x85EBCA77C2B2AE63),
)
_MIX_1, _MIX_2 = np.uint64(0x165667919E3779F9), np.uint64(0x9FB21C651E98DF25)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_U1, _U2, _U3, _U8, _U13, _U16, _U19, _U24, _U28, _U29, _U32, _U33, _U35, _U37, _U54 = (
    np.uint64(number) for number in (1, 2, 3, 8, 13, 16, 19, 24, 28, 29, 32, 33, 35, 37, 54)
)


@lean
def _avalanche(value):  # type: ignore[no-untyped-def]
    value ^= value >> _U37
    value *= _MIX_1
    return value ^ (value >> _U32)


@lean
def _avalanche_64(value):  # type: ignore[no-untyped-def]
    value ^= value >> _U33
    value *= _P2
    value ^= value >> _U29
    value *= _P3
    return value ^ (value >> _U32)


@lean
def _fold(at, secret, seed):  # type: ignore[no-untyped-def]
    one = word(at) ^ (_WORDS[secret] + seed)
    other = word(at + 8) ^ (_WORDS[secret + 1] - seed)
    return (one * other) ^ high_product(one, other)


@lean
def _take(low, high, first, last, secret, seed):  # type: ignore[no-untyped-def]
    low += _fold(first, secret, seed)
    low ^= word(last) + word(last + 8)
    high += _fold(last, secret + 2, seed)
    high ^= word(first) + word(first + 8)
    return low, high


@lean
def digest(at, length, seed):  # type: ignore[no-untyped-def]
    """The digest of ``length`` bytes (1 to :data:`LONGEST`) at ``at``, as two int64 in the order of its bytes:
    little-endian words, as the library's digest is read."""
    size = np.uint64(length)
    if length > 16:
        low, high = size * _P1, np.uint64(0)
        for part in range((length - 1) >> 5, -1, -1):
            first, last = at + 16 * part, at + length - 16 * part - 16
            low, high = _take(low, high, first, last, 4 * part, seed)
        mixed = low * _P1 + high * _P4 + (size - seed) * _P2
        low = _avalanche(low + high)
        high = np.uint64(0) - _avalanche(mixed)
    elif length > 8:
        first, last = word(at), word(at + length - 8)
        one = first ^ last ^ (_MEDIUM_LOW - seed)
        low, high = one * _P1, high_product(one, _P1)
        low += (size - _U1) << _U54
        last ^= _MEDIUM_HIGH + seed
        high += last + (last & _LOW_HALF) * (_P32_2 - _U1)
        low ^= swapped(high)
        high = high_product(low, _P2) + high * _P2
        low = _avalanche(low * _P2)
        high = _avalanche(high)
    elif length > 3:
        seed ^= (swapped(seed & _LOW_HALF) >> _U32) << _U32
        keyed = beginning(at, 4) | (beginning(at + length - 4, 4) << _U32)
        keyed ^= _SMALL + seed
        factor = _P1 + (size << _U2)
        low, high = keyed * factor, high_product(keyed, factor)
        high += low << _U1
        low ^= high >> _U3
        low ^= low >> _U35
        low *= _MIX_2
        low ^= low >> _U28
        high = _avalanche(high)
    else:
        first, middle, last = np.uint64(byte(at)), np.uint64(byte(at + (length >> 1))), np.uint64(byte(at + length - 1))
        tiny = (first << _U16) | (middle << _U24) | last | (size << _U8)
        turned = swapped(tiny) >> _U32
        turned = ((turned << _U13) | (turned >> _U19)) & _LOW_HALF
        low = _avalanche_64(tiny ^ (_TINY_LOW + seed))
        high = _avalanche_64(turned ^ (_TINY_HIGH - seed))
    return np.int64(swapped(high)), np.int64(swapped(low))
