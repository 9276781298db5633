"""Every field of every event, made each of many odd values: scanned as it is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from streams.events.codec import ChunkDecoder
from streams.kpis.kernel import Kernel
from streams.kpis.watermark import FAMILIES
from tests.property.test_journal_properties import alike, comparable
from tests.property.test_scan_properties import USUAL, decoded, everything
from tests.support.shop import family_of

# Between spaces.
SHORT = r"""
null true false tru nul nulll 0 -0 00 01 1 2 5 6 -1 1e3 1E3 1. .5 +1 1.0 1.5 90 90.0 89.99 90.5 -90 -89.5 -91 180 179.5
1000000000 1000000001 1000000000000000 1000000000000001 999999999999999999 9999999999999999999 0.1234567890123456789
[] [{}] {} {"a":[1,{"b":null}]} {"a":1,"a":2} {"a":1,} {,} [1,] [,1] [1 {1:2} {"a"} {"a":} [[[]],{}] [}
"" "a" "EUR" "EURO" "EU" "\u20acUR" "agent" "human" "1.0" "1.1" "a"" nonsense 'a' "a "\ud800" "\u0000" "\u0085" "a\nb"
"2026-01-01T00:00:00Z" "2026-01-01T00:00:00.000000000000000Z" "2026-01-01T00:00:00.0000000000000000Z" "2026-01-01"
"2026-13-01T00:00:00Z" "2026-01-01T00:00:00+25:00" "2026-01-01T24:00:00Z" "2026-01-01T00:00:60Z" "2026-01-01T00:00:00Zx"
"order.paid" "ticket.rated" "source.heartbeat" "calendar.entry" "order.placed"
[{"sku":"a","quantity":1,"unit_price":1},{"unit_price":0,"sku":"b","quantity":2,"category":null,"more":{}}]
[{"sku":"a","quantity":1}] [{"quantity":1,"unit_price":1}] [{"sku":"a","unit_price":1}] [1] [null]
[{"sku":"","quantity":1,"unit_price":1}] [{"sku":"a","quantity":0,"unit_price":1}]
[{"sku":"a","quantity":1,"unit_price":-1}] [{"sku":"a","quantity":1,"quantity":2,"unit_price":1}]
[{"sku":"a","quantity":1,"unit_price":1}}] [{"sku":"a","quantity":1,"unit_price":1},]
"""
ODD = [text.encode() for text in SHORT.split()]
ODD += [b'"%s"' % (sign.encode() * count) for sign in "xü€\U0001f600" for count in (1, 2, 128, 129, 255, 256, 257)]
ODD += [b'"a%sb"' % raw for raw in (b"\x7f", b"\x1f", b"\x00", b"\xff", b"\xc3", b"\xc0\xaf", b"\xc2\x85", b"\xc2\xa0")]
ODD += [b'"%s"' % raw for raw in (b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\x9f\xbf", b"\xef\xbf\xbf", b"\xe2\x82")]
ODD += [
    b'"%s"' % raw for raw in (b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xf0\x9f\x98", b"\x80")
]
ODD += [b"[" * depth + b"]" * depth for depth in (59, 70, 600)]
ODD += [b'{"a":' * depth + b"1" + b"}" * depth for depth in (59, 70, 600)]
ODD += [b" 1\r\n\t", b" [ { } , 1 ]", b"\x0b1", b"\xa01", b"\x00", b"\xef\xbb\xbf1", b""]


def places(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects that an event consists of."""
    yield document
    yield document["data"]
    yield from document["data"].get("items", [])[:1]


def made_odd(event: Any) -> list[bytes]:
    """The event with each of its fields, and an unknown one, left out, given twice and made each of the odd values."""
    plain = msgspec.json.encode(event)
    records: list[bytes] = []
    for at, place in enumerate(places(msgspec.json.decode(plain))):
        for name in [*place, "unknown"]:
            document = msgspec.json.decode(plain)
            list(places(document))[at][name] = "@"
            if (at, name) != (0, "id"):
                document["id"] = f"{at}.{name}.#"
            raw, member = msgspec.json.encode(document), b'"%s":"@"' % name.encode()
            spelled = [b'"%s":%s' % (name.encode(), value) for value in ODD]
            spelled += [b'"left out":0', b'"%s" :\r\n "a"' % name.encode(), b'"%s ":"a"' % name.encode(), b""]
            good = member.replace(b'"@"', msgspec.json.encode(place.get(name, 1)))
            spelled += [b"%s,%s" % pair for value in spelled[:60:3] for pair in ((value, good), (good, value))]
            records += [
                raw.replace(b".#", b".%d" % number).replace(member, text) for number, text in enumerate(spelled)
            ]
    return records


@pytest.mark.parametrize("event", USUAL, ids=lambda event: str(event.__struct_config__.tag))
def test_an_event_with_any_field_made_odd_is_scanned_as_it_is_decoded(event: Any) -> None:
    records: list[bytes | None] = [*made_odd(event)]
    decoder = ChunkDecoder(FAMILIES[family_of(event)])
    offsets, arrivals = np.arange(len(records), dtype=np.int64), np.full(len(records), -1, dtype=np.int64)
    scanning, decoding = Kernel(everything(), 0, journalled=True), Kernel(everything(), 0, journalled=True)
    scanned = scanning.process_raw(decoder, records, offsets, arrivals)
    assert scanned == decoded(decoding, decoder, records, offsets, arrivals)
    assert scanned.accepted + scanned.heartbeats > 100
    assert scanning.drain() == decoding.drain()
    assert scanning.journal().encode() == decoding.journal().encode()
    assert alike(comparable(scanning), comparable(decoding))


@pytest.mark.parametrize("event", USUAL, ids=lambda event: str(event.__struct_config__.tag))
def test_an_event_cut_anywhere_is_scanned_as_it_is_decoded(event: Any) -> None:
    raw = msgspec.json.encode(event)
    records: list[bytes | None] = [raw[:at] for at in range(len(raw) + 1)]
    records += [raw[:at] + raw[at + 1 :] for at in range(len(raw))]
    records += [raw + more for more in (b" ", b"\n", b"\x00", b"}", b",", b"1", raw, b"\n" + raw)]
    records += [b" " + raw, b"\n\t\r" + raw, b"\x00" + raw, b"\xef\xbb\xbf" + raw, b"[" + raw + b"]", None]
    decoder = ChunkDecoder(FAMILIES[family_of(event)])
    offsets, arrivals = np.arange(len(records), dtype=np.int64), np.full(len(records), -1, dtype=np.int64)
    scanning, decoding = Kernel(everything(), 0, journalled=True), Kernel(everything(), 0, journalled=True)
    assert scanning.process_raw(decoder, records, offsets, arrivals) == decoded(
        decoding, decoder, records, offsets, arrivals
    )
    assert scanning.journal().encode() == decoding.journal().encode()


def test_an_event_is_scanned_up_to_the_most_bytes_allowed() -> None:
    raw = msgspec.json.encode(USUAL[0])
    decoder = ChunkDecoder(FAMILIES[family_of(USUAL[0])], max_bytes=len(raw))
    both = np.arange(2, dtype=np.int64)
    outcome = Kernel(everything(), 0).process_raw(decoder, [raw, raw + b" "], both, np.full(2, -1, dtype=np.int64))
    assert outcome.accepted == 1
    assert [(place, rejection.code) for place, rejection in outcome.rejected] == [(1, "too_large")]
