"""JSON as it is usually written, compiled: strings without escapes, short numbers, whitespace.

Everything here takes an address and returns the one behind what it read, or :data:`UNSURE` where that is
not of the plain kind it knows; it may be right all the same. Each value must be followed by a byte that no JSON text
contains (0), so that nothing is read past its end, and by the padding of :mod:`streams.kpis.scan.words`.
"""

from __future__ import annotations

import numpy as np

from streams.kpis.compiled import lean
from streams.kpis.scan.words import beginning, byte, lowest_bit, marks

UNSURE = -1

QUOTE, BACKSLASH, COMMA, COLON, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST = (ord(sign) for sign in '"\\,:{}[]')
_MINUS, _DOT, _ZERO = (ord(sign) for sign in "-.0")
_SPACE, _NEWLINE, _RETURN, _TAB = (ord(sign) for sign in " \n\r\t")

_TRUE, _FALSE, _NULL = (np.uint64(int.from_bytes(name, "little")) for name in (b"true", b"false", b"null"))
_DEEPEST = 60
MOST_DIGITS = 18
"""More digits might not fit 64 bits."""


@lean
def after_space(at):  # type: ignore[no-untyped-def]
    """The first byte at ``at`` or later that is no whitespace."""
    sign = byte(at)
    while (sign == _SPACE) | (sign == _NEWLINE) | (sign == _RETURN) | (sign == _TAB):
        at += 1
        sign = byte(at)
    return at


@lean
def _sequence(at):  # type: ignore[no-untyped-def]
    """How many bytes the UTF-8 character beyond ASCII at ``at`` has; 0 for none, and for a control character."""
    first, second = byte(at), byte(at + 1)
    if (second & 0xC0) != 0x80:
        return 0
    if (first >= 0xC2) & (first <= 0xDF):
        return 0 if (first == 0xC2) & (second < 0xA0) else 2
    if (byte(at + 2) & 0xC0) != 0x80:
        return 0
    if (first >= 0xE0) & (first <= 0xEF):
        wrong = ((first == 0xE0) & (second < 0xA0)) | ((first == 0xED) & (second >= 0xA0))
        return 0 if wrong else 3
    if (byte(at + 3) & 0xC0) != 0x80:
        return 0
    if (first >= 0xF0) & (first <= 0xF4):
        wrong = ((first == 0xF0) & (second < 0x90)) | ((first == 0xF4) & (second >= 0x90))
        return 0 if wrong else 4
    return 0


@lean
def string(at):  # type: ignore[no-untyped-def]
    """The closing quote of the string whose first character is at ``at``, and how many characters it has.

    Without escapes and control characters, and UTF-8.
    """
    start, hidden = at, 0
    while True:
        marked = marks(at)
        if marked == 0:
            at += 16
            continue
        at += lowest_bit(marked)
        sign = byte(at)
        if sign == QUOTE:
            return at, at - start - hidden
        if sign < 0x80:
            return UNSURE, 0
        size = _sequence(at)
        if size == 0:
            return UNSURE, 0
        hidden += size - 1
        at += size


@lean
def digits(at):  # type: ignore[no-untyped-def]
    """The whole number at ``at``, without a sign, and the place behind it."""
    first, value = at, np.int64(0)
    figure = np.uint8(byte(at) - _ZERO)
    while figure <= 9:
        value = value * 10 + np.int64(figure)
        at += 1
        figure = np.uint8(byte(at) - _ZERO)
        if at - first > MOST_DIGITS:
            return value, UNSURE
    if (at == first) | ((byte(first) == _ZERO) & (at - first > 1)):
        return value, UNSURE
    return value, at


@lean
def number(at):  # type: ignore[no-untyped-def]
    """The whole part of the number at ``at``, without its sign, and the place behind the number."""
    if byte(at) == _MINUS:
        at += 1
    value, at = digits(at)
    if at == UNSURE or byte(at) != _DOT:
        return value, at
    first = at + 1
    at = first
    while np.uint8(byte(at) - _ZERO) <= 9:
        at += 1
    return value, at if (at > first) & (at - first <= MOST_DIGITS) else UNSURE


@lean
def is_null(at):  # type: ignore[no-untyped-def]
    """Whether ``null`` is written at ``at``; what follows it is not looked at."""
    return beginning(at, 4) == _NULL


@lean
def _plain(at):  # type: ignore[no-untyped-def]
    """Behind the value at ``at`` that is no object and no list."""
    if byte(at) == QUOTE:
        end, _ = string(at + 1)
        return end + 1 if end != UNSURE else UNSURE
    four = beginning(at, 4)
    if (four == _NULL) | (four == _TRUE):
        return at + 4
    if beginning(at, 5) == _FALSE:
        return at + 5
    _, end = number(at)
    return end


@lean
def key(at):  # type: ignore[no-untyped-def]
    """An object's next key at ``at``: its first byte, its closing quote, and the place of its value."""
    if byte(at) != QUOTE:
        return at, at, UNSURE
    end, _ = string(at + 1)
    if end == UNSURE:
        return at, at, UNSURE
    value = after_space(end + 1)
    if byte(value) != COLON:
        return at, at, UNSURE
    return at + 1, end, after_space(value + 1)


@lean
def following(at, close):  # type: ignore[no-untyped-def]
    """Behind a member that ends at ``at``: where the next one begins, or behind the object or list it closes; and
    whether that is closed."""
    at = after_space(at)
    if byte(at) == COMMA:
        return after_space(at + 1), False
    if byte(at) == close:
        return at + 1, True
    return UNSURE, True


@lean
def skip(at):  # type: ignore[no-untyped-def]
    """Behind the value at ``at``, whatever it is."""
    if (byte(at) != OPEN) & (byte(at) != OPEN_LIST):
        return _plain(at)
    objects = np.uint64(0)  # a bit for each level, the innermost lowest: whether it is an object
    depth = 0
    one = np.uint64(1)
    while True:
        if (byte(at) == OPEN) | (byte(at) == OPEN_LIST):
            inside = byte(at) == OPEN
            depth += 1
            if depth > _DEEPEST:
                return UNSURE
            objects = (objects << one) | np.uint64(inside)
            at = after_space(at + 1)
            if byte(at) == (CLOSE if inside else CLOSE_LIST):
                at += 1
            else:
                if inside:
                    _, _, at = key(at)
                    if at == UNSURE:
                        return UNSURE
                continue
            objects >>= one
            depth -= 1
        else:
            at = _plain(at)
            if at == UNSURE:
                return UNSURE
        while depth > 0:
            inside = (objects & one) == one
            at, closed = following(at, CLOSE if inside else CLOSE_LIST)
            if at == UNSURE:
                return UNSURE
            if not closed:
                if inside:
                    _, _, at = key(at)
                    if at == UNSURE:
                        return UNSURE
                break
            objects >>= one
            depth -= 1
        if depth == 0:
            return at
