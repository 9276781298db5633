"""One event's bytes to numbers and places of texts, compiled. What is not certain is said to be so."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.events.timescan import scan_time
from streams.kpis.compiled import lean
from streams.kpis.rows import NONE
from streams.kpis.scan.book import look_up
from streams.kpis.scan.contract import (
    CHOICE,
    CHOICES,
    DATA,
    ENTITY_SLOT,
    ENVELOPE,
    FAMILY,
    FIRST,
    FORM,
    HIGH,
    ID,
    ITEM,
    ITEM_QUANTITY,
    ITEMS,
    ITEMS_SLOT,
    LENGTH,
    LONGEST_NAME,
    LONGEST_TYPE,
    LOW,
    MOMENT,
    NAME,
    NULLABLE,
    PROMISE_SLOT,
    REAL,
    REQUIRED,
    SLOT,
    SOURCE,
    SUBJECT,
    SUBJECT_SLOT,
    TEXT,
    TIME,
    TYPE,
    TYPE_NAME,
    WHOLE,
)
from streams.kpis.scan.digest import LONGEST, digest
from streams.kpis.scan.spans import length_of, span_of, start_of
from streams.kpis.scan.text import (
    CLOSE,
    CLOSE_LIST,
    OPEN,
    OPEN_LIST,
    QUOTE,
    UNSURE,
    after_space,
    digits,
    following,
    is_null,
    key,
    number,
    skip,
    string,
)
from streams.kpis.scan.words import address, beginning, byte, same

I64 = npt.NDArray[np.int64]


class Scanned(NamedTuple):
    """What was read of each record of a chunk. Shapes: n records, S slots.

    ``kind`` the type code, :data:`UNSURE` for a record that was left to the decoder; ``time`` and ``promise`` in epoch
    ms, ``digest`` (n, 2) of source and id; ``subject`` and ``source`` as spans; ``fields`` (n, S): a text's span or a
    number, where the contract says it goes, NONE where it is absent.
    """

    kind: I64
    time: I64
    promise: I64
    digest: I64
    subject: I64
    source: I64
    fields: I64


@lean
def _find(start, end, kind, hint):  # type: ignore[no-untyped-def]
    """The field of a kind that has the name from ``start`` to ``end``, in the tables; UNSURE where there is none.

    ``hint`` is the one to be expected: fields mostly come in the contract's order.
    """
    length = end - start
    if length > LONGEST_NAME:
        return np.int64(UNSURE)
    one, other = beginning(start, length), beginning(start + 8, length - 8)
    last = FIRST[kind + 1]
    for field in range(hint, last):
        if (NAME[field, 0] == one) & (NAME[field, 1] == other) & (LENGTH[field] == length):
            return np.int64(field)
    for field in range(FIRST[kind], min(hint, last)):
        if (NAME[field, 0] == one) & (NAME[field, 1] == other) & (LENGTH[field] == length):
            return np.int64(field)
    return np.int64(UNSURE)


@lean
def _text(at, low, high, base):  # type: ignore[no-untyped-def]
    """Behind the string at ``at``, and its span; it has ``low`` to ``high`` characters."""
    if byte(at) != QUOTE:
        return UNSURE, NONE
    end, characters = string(at + 1)
    if (end == UNSURE) | (characters < low) | (characters > high):
        return UNSURE, NONE
    return end + 1, span_of(at + 1 - base, end - at - 1)


@lean
def _value(at, field, base):  # type: ignore[no-untyped-def]
    """Behind the value at ``at`` of a field, and what it is. Of a time it is the span."""
    form, low, high = FORM[field], LOW[field], HIGH[field]
    if NULLABLE[field] and byte(at) != QUOTE and is_null(at):
        return at + 4, NONE
    if (form == TEXT) | (form == TIME):
        return _text(at, low, high, base)
    if form == WHOLE:
        value, end = digits(at)
        return end if (value >= low) & (value <= high) else UNSURE, value
    if form == REAL:
        value, end = number(at)
        return end if value < high else UNSURE, NONE
    if form == CHOICE:
        end, span = _text(at, 1, LONGEST_NAME, base)
        if end == UNSURE:
            return UNSURE, NONE
        length = end - at - 2
        one, other = beginning(at + 1, length), beginning(at + 9, length - 8)
        for choice in range(low, high):
            if (CHOICES[choice, 0] == one) & (CHOICES[choice, 1] == other):
                return end, span
    return UNSURE, NONE


@lean
def _line(at, base):  # type: ignore[no-untyped-def]
    """Behind the order line that is open at ``at``, and its quantity."""
    seen, quantity, hint = np.int64(0), np.int64(0), FIRST[ITEM]
    at = after_space(at)
    closed = byte(at) == CLOSE
    if closed:
        at += 1
    while not closed:
        start, end, at = key(at)
        if at == UNSURE:
            return UNSURE, quantity
        field = _find(start, end, ITEM, hint)
        if field == UNSURE:
            at = skip(at)
        else:
            place = field - FIRST[ITEM]
            if (seen >> place) & 1:
                return UNSURE, quantity
            seen |= np.int64(1) << place
            hint = field + 1
            at, value = _value(at, field, base)
            if place == ITEM_QUANTITY:
                quantity = value
        if at == UNSURE:
            return UNSURE, quantity
        at, closed = following(at, CLOSE)
        if at == UNSURE:
            return UNSURE, quantity
    return at if seen & REQUIRED[ITEM] == REQUIRED[ITEM] else UNSURE, quantity


@lean
def _lines(at, base):  # type: ignore[no-untyped-def]
    """Behind the list of order lines at ``at``, their quantities added up, and how many they are."""
    quantity, count = np.int64(0), np.int64(0)
    if byte(at) != OPEN_LIST:
        return UNSURE, quantity, count
    at = after_space(at + 1)
    if byte(at) == CLOSE_LIST:
        return at + 1, quantity, count
    closed = False
    while not closed:
        if byte(at) != OPEN:
            return UNSURE, quantity, count
        at, more = _line(at + 1, base)
        if at == UNSURE:
            return UNSURE, quantity, count
        quantity += more
        count += 1
        at, closed = following(at, CLOSE_LIST)
        if at == UNSURE:
            return UNSURE, quantity, count
    return at, quantity, count


@lean
def _data(at, kind, base, fields, row):  # type: ignore[no-untyped-def]
    """Behind the data at ``at`` of an event of this kind; its values go into the row of ``fields``."""
    for slot in range(fields.shape[1]):
        fields[row, slot] = NONE
    if ITEMS_SLOT[kind] >= 0:
        fields[row, ITEMS_SLOT[kind]] = 0
        fields[row, ITEMS_SLOT[kind] + 1] = 0
    if byte(at) != OPEN:
        return UNSURE
    seen, hint = np.int64(0), FIRST[kind]
    at = after_space(at + 1)
    closed = byte(at) == CLOSE
    if closed:
        at += 1
    while not closed:
        start, end, at = key(at)
        if at == UNSURE:
            return UNSURE
        field = _find(start, end, kind, hint)
        if field == UNSURE:
            at = skip(at)
        else:
            place = field - FIRST[kind]
            if (seen >> place) & 1:
                return UNSURE
            seen |= np.int64(1) << place
            hint = field + 1
            slot = SLOT[field]
            if FORM[field] == ITEMS:
                at, fields[row, slot], fields[row, slot + 1] = _lines(at, base)
            else:
                at, fields[row, slot] = _value(at, field, base)
        if at == UNSURE:
            return UNSURE
        at, closed = following(at, CLOSE)
        if at == UNSURE:
            return UNSURE
    return at if seen & REQUIRED[kind] == REQUIRED[kind] else UNSURE


@lean
def _type(at, family):  # type: ignore[no-untyped-def]
    """Behind the type's name at ``at``, and its code; it belongs to the topic."""
    if byte(at) != QUOTE:
        return UNSURE, np.int64(UNSURE)
    end, length = string(at + 1)
    if (end == UNSURE) | (length > LONGEST_TYPE):
        return UNSURE, np.int64(UNSURE)
    one, two, three = beginning(at + 1, length), beginning(at + 9, length - 8), beginning(at + 17, length - 16)
    for kind in range(TYPE_NAME.shape[0]):
        if (TYPE_NAME[kind, 0] == one) & (TYPE_NAME[kind, 1] == two) & (TYPE_NAME[kind, 2] == three):
            ours = (FAMILY[kind] == family) | (FAMILY[kind] < 0)
            return end + 1 if ours else UNSURE, np.int64(kind)
    return UNSURE, np.int64(UNSURE)


@lean
def _record(at, end, base, row, family, out):  # type: ignore[no-untyped-def]
    """Read the record from ``at`` to ``end``. Returns its type code and the spans of its id and its time; UNSURE where
    it is not certain."""
    kind, waiting, seen, hint = np.int64(UNSURE), np.int64(UNSURE), np.int64(0), FIRST[ENVELOPE]
    id_, moment, source, subject = NONE, NONE, NONE, NONE
    at = after_space(at)
    if byte(at) != OPEN:
        return np.int64(UNSURE), id_, moment
    at = after_space(at + 1)
    closed = False
    while not closed:
        start, stop, at = key(at)
        if at == UNSURE:
            return np.int64(UNSURE), id_, moment
        field = _find(start, stop, ENVELOPE, hint)
        if field == UNSURE:
            at = skip(at)
        else:
            place = field - FIRST[ENVELOPE]
            if (seen >> place) & 1:
                return np.int64(UNSURE), id_, moment
            seen |= np.int64(1) << place
            hint = field + 1
            if place == DATA:
                if kind == UNSURE:
                    waiting = at
                    at = skip(at)
                else:
                    at = _data(at, kind, base, out.fields, row)
            elif place == TYPE:
                at, kind = _type(at, family)
            else:
                at, value = _value(at, field, base)
                if place == ID:
                    id_ = value
                elif place == SOURCE:
                    source = value
                elif place == MOMENT:
                    moment = value
                elif place == SUBJECT:
                    subject = value
        if at == UNSURE:
            return np.int64(UNSURE), id_, moment
        at, closed = following(at, CLOSE)
        if at == UNSURE:
            return np.int64(UNSURE), id_, moment
    if (after_space(at) != end) | (seen & REQUIRED[ENVELOPE] != REQUIRED[ENVELOPE]):
        return np.int64(UNSURE), id_, moment
    if waiting != UNSURE and _data(waiting, kind, base, out.fields, row) == UNSURE:
        return np.int64(UNSURE), id_, moment
    out.source[row], out.subject[row] = source, subject
    slot = SUBJECT_SLOT[kind]
    if slot >= 0:
        about = out.fields[row, slot]
        if about == NONE:
            about = out.fields[row, ENTITY_SLOT[kind]]
        if length_of(about) != length_of(subject) or not same(
            base + start_of(about), base + start_of(subject), length_of(subject)
        ):
            return np.int64(UNSURE), id_, moment
    return kind, id_, moment


@lean
def _time(raw, span):  # type: ignore[no-untyped-def]
    value, end = scan_time(raw, start_of(span), QUOTE)
    return value if end == start_of(span) + length_of(span) else NONE


@lean
def scan(raw, starts, ends, first, longest, family, sources, seeds, out):  # type: ignore[no-untyped-def]
    """Read the records of one topic from the ``first`` on into ``out``, up to one whose source is not among
    ``sources``; returns its place, their number at the end.

    Record ``n`` of ``raw`` goes from ``starts[n]`` to ``ends[n]``; those with more than ``longest`` bytes are left to
    the decoder. ``sources`` gives the place of a source's seed in ``seeds``.
    """
    base = address(raw)
    for row in range(first, starts.shape[0]):
        out.kind[row] = UNSURE
        if ends[row] - starts[row] > longest:
            continue
        kind, id_, moment = _record(base + starts[row], base + ends[row], base, row, family, out)
        if kind == UNSURE or length_of(id_) > LONGEST:
            continue
        time, promise = _time(raw, moment), NONE
        if time == NONE:
            continue
        slot = PROMISE_SLOT[kind]
        if slot >= 0 and out.fields[row, slot] != NONE:
            promise = _time(raw, out.fields[row, slot])
            if promise == NONE:
                continue
        source = out.source[row]
        known = look_up(sources, 0, base + start_of(source), length_of(source))
        if known < 0:
            return row
        high, low = digest(base + start_of(id_), length_of(id_), seeds[known])
        out.digest[row, 0] = high
        out.digest[row, 1] = low
        out.time[row], out.promise[row], out.kind[row] = time, promise, kind
    return starts.shape[0]
