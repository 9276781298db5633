"""The codec: what is accepted, what is rejected and why, and that neighbours never notice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.errors import ContractError
from streams.events.codec import (
    CONTENT_TYPE,
    HEADERS,
    MAX_NESTING,
    ChunkDecoder,
    check_times,
    decode,
    decode_calendar,
    encode,
)
from streams.events.examples import EXAMPLES, example
from streams.events.types import (
    BusinessEvent,
    CalendarEntry,
    DeliveryDelivered,
    OpenedData,
    OrderPaid,
    OrderPlaced,
    PaidData,
    TicketOpened,
)

PLACED: dict[str, Any] = example(OrderPlaced)
BUSINESS = [event for event in EXAMPLES if not isinstance(event, CalendarEntry)]


def changed(path: str, value: Any, base: dict[str, Any] = PLACED) -> bytes:
    """The example with the field at ``path`` set to ``value``."""
    event = json.loads(json.dumps(base))
    *parents, last = path.split(".")
    place = event
    for name in parents:
        place = place[int(name) if name.isdigit() else name]
    place[last] = value
    return json.dumps(event).encode()


def without(path: str, base: dict[str, Any] = PLACED) -> bytes:
    """The example without the field at ``path``."""
    event = json.loads(json.dumps(base))
    *parents, last = path.split(".")
    place = event
    for name in parents:
        place = place[name]
    del place[last]
    return json.dumps(event).encode()


def raw_field(text: str) -> bytes:
    """The example with one more member, written as it is."""
    return json.dumps(PLACED).encode()[:-1] + b", " + text.encode("utf-8", "surrogatepass") + b"}"


GOOD = json.dumps(PLACED).encode()
DEEP = 100_000

REJECTED: dict[str, tuple[bytes | None, str, str]] = {
    "no value": (None, "empty", "empty value"),
    "no bytes": (b"", "empty", "empty value"),
    "only white space": (b" \n", "malformed_json", "malformed JSON: ends too early"),
    "cut off": (GOOD[:-20], "malformed_json", "malformed JSON: ends too early"),
    "not JSON": (b"order placed", "malformed_json", "malformed JSON: invalid character (byte 0)"),
    "byte order mark": (
        b"\xef\xbb\xbf" + GOOD,
        "malformed_json",
        "malformed JSON: invalid character (byte 0)",
    ),
    "single quotes": (b"{'id': 1}", "malformed_json", "malformed JSON: object keys must be strings (byte 1)"),
    "trailing comma": (b'{"id": 1,}', "malformed_json", "malformed JSON: trailing comma in object (byte 9)"),
    "NaN": (GOOD.replace(b"12990", b"NaN"), "malformed_json", "malformed JSON: invalid character (byte "),
    "NaN in an unknown field": (
        raw_field('"x": NaN'),
        "malformed_json",
        "malformed JSON: invalid character (byte ",
    ),
    "leading zero": (
        GOOD.replace(b"12990", b"012990"),
        "malformed_json",
        "malformed JSON: invalid number (byte ",
    ),
    "NUL byte in a text": (
        GOOD.replace(b"north", b"no\0rth"),
        "malformed_json",
        "malformed JSON: invalid character",
    ),
    "NUL behind the event": (GOOD + b"\0", "malformed_json", "malformed JSON: trailing characters (byte "),
    "two events": (GOOD + GOOD, "malformed_json", "malformed JSON: trailing characters (byte "),
    "two lines": (GOOD + b"\n" + GOOD, "malformed_json", "malformed JSON: trailing characters (byte "),
    "two events with a comma": (
        GOOD + b"," + GOOD,
        "malformed_json",
        "malformed JSON: trailing characters (byte ",
    ),
    "null": (b"null", "wrong_type", "expected object, got null"),
    "a list": (b"[" + GOOD + b"]", "wrong_type", "expected object, got array"),
    "a number": (b"17", "wrong_type", "expected object, got int"),
    "missing order id": (without("data.order_id"), "missing_field", "missing field: data.order_id"),
    "missing amount": (without("data.amount"), "missing_field", "missing field: data.amount"),
    "missing data": (without("data"), "missing_field", "missing field: data"),
    "missing id": (without("id"), "missing_field", "missing field: id"),
    "missing type": (without("type"), "missing_field", "missing field: type"),
    "missing specversion": (without("specversion"), "missing_field", "missing field: specversion"),
    "other specversion": (
        changed("specversion", "0.3"),
        "wrong_type",
        "specversion: '0.3' is not one of 1.0",
    ),
    "unknown type": (changed("type", "order.shipped"), "unknown_type", "unknown type: order.shipped"),
    "type with a newline": (changed("type", "a\nb' - at `$.id`"), "unknown_type", 'unknown type: "a\\nb'),
    "type is a number": (changed("type", 3), "wrong_type", "type: expected str"),
    "contradicting types": (
        raw_field('"type": "order.paid"'),
        "wrong_type",
        "type: given twice, the second time",
    ),
    "other topic": (
        json.dumps(example(DeliveryDelivered)).encode(),
        "wrong_topic",
        "wrong topic: delivery.delivered",
    ),
    "calendar": (
        json.dumps(example(CalendarEntry)).encode(),
        "wrong_topic",
        "wrong topic: calendar.entry belongs to",
    ),
    "negative amount": (changed("data.amount", -1), "wrong_type", "data.amount: expected int >= 0"),
    "amount as text": (changed("data.amount", "12990"), "wrong_type", "data.amount: expected int, got str"),
    "amount with a fraction": (
        changed("data.amount", 129.9),
        "wrong_type",
        "data.amount: expected int, got float",
    ),
    "amount is true": (changed("data.amount", True), "wrong_type", "data.amount: expected int, got bool"),
    "amount too large": (
        changed("data.amount", 2**63),
        "wrong_type",
        "data.amount: expected int <= 1000000000000000",
    ),
    "amount of 400 digits": (
        changed("data.amount", 10**400),
        "wrong_type",
        "data.amount: expected int <= 10000000",
    ),
    "no quantity": (
        changed("data.items.1.quantity", 0),
        "wrong_type",
        "data.items[1].quantity: expected int >= 1",
    ),
    "items is null": (changed("data.items", None), "wrong_type", "data.items: expected array, got null"),
    "data is a text": (changed("data", "x"), "wrong_type", "data: expected object, got str"),
    "empty id": (changed("id", ""), "wrong_type", "id: expected str of length >= 1"),
    "long id": (changed("id", "x" * 257), "wrong_type", "id: expected str of length <= 256"),
    "currency of four letters": (
        changed("data.currency", "EURO"),
        "wrong_type",
        "data.currency: expected str of len",
    ),
    "time is a number": (changed("time", 1_772_443_800), "wrong_type", "time: expected str, got int"),
    "time is a day": (changed("time", "2026-03-01"), "wrong_type", "time: expected str of length >= 20"),
    "other subject": (
        changed("subject", "O-1"),
        "wrong_subject",
        "subject: expected the order id 'O-2041', got 'O-1'",
    ),
    "invalid UTF-8": (
        GOOD.replace(b"north", b"n\xff"),
        "invalid_utf8",
        "invalid UTF-8: invalid start byte (byte ",
    ),
    "invalid UTF-8 in an unknown field": (
        raw_field('"x": "Q"').replace(b"Q", b"\xc0\x80"),
        "invalid_utf8",
        "invalid UTF-8: invalid start byte (byte ",
    ),
    "invalid UTF-8 in an unknown key": (
        raw_field('"Q": 1').replace(b"Q", b"\xc3"),
        "invalid_utf8",
        "invalid UTF-8: invalid continuation byte (byte ",
    ),
    "encoded surrogate": (
        raw_field('"x": "\ud800"'),
        "invalid_utf8",
        "invalid UTF-8: invalid continuation byte",
    ),
    "escaped surrogate": (
        changed("id", "\ud800"),
        "invalid_utf8",
        "invalid UTF-8: unexpected end of escaped utf-16",
    ),
    "surrogates the wrong way round": (
        changed("id", "\udc00\ud800"),
        "invalid_utf8",
        "invalid UTF-8: invalid utf-16",
    ),
    "escaped surrogate in an unknown field": (
        raw_field('"x": "\\ud800"'),
        "invalid_utf8",
        "invalid UTF-8: lone surrogate escape (byte ",
    ),
    "NUL in an id": (changed("id", "a\0b"), "wrong_type", "id: control character U+0000 in an identifier"),
    "newline in a source": (
        changed("source", "a\nb"),
        "wrong_type",
        "source: control character U+000A in an ident",
    ),
    "DEL in an id": (changed("id", "a\x7fb"), "wrong_type", "id: control character U+007F in an identifier"),
    "C1 control in an id": (
        GOOD.replace(b"evt-0001", "a\x9bb".encode()),
        "wrong_type",
        "id: control character U+009B in an identifier",
    ),
    "too large": (raw_field(f'"x": "{"x" * 10_485_760}"'), "too_large", "too large: 10486"),
    "nested arrays": (
        raw_field(f'"x": {"[" * DEEP}{"]" * DEEP}'),
        "malformed_json",
        "malformed JSON: nested deeper",
    ),
    "nested objects": (
        raw_field(f'"x": {"""{"a":""" * DEEP}1{"}" * DEEP}'),
        "malformed_json",
        "malformed JSON: nested deeper than 500 levels",
    ),
    "nested and never closed": (
        raw_field(f'"x": {"[" * DEEP}')[:-1],
        "malformed_json",
        "malformed JSON: nested deeper",
    ),
    "nested where a text belongs": (
        changed("id", 0).replace(b'"id": 0', b'"id": ' + b"[" * DEEP),
        "malformed_json",
        "malformed JSON: nested deeper",
    ),
}

ACCEPTED: dict[str, bytes] = {
    "as it is": GOOD,
    "white space around": b" \r\n\t" + GOOD + b"\n",
    "newlines inside": json.dumps(PLACED, indent=2).encode(),
    "unknown fields": raw_field('"traceparent": "00-ab", "x": {"y": [1, 2.5e300, null, true, "\\ud83d\\ude00"]}'),
    "huge numbers nobody reads": raw_field(f'"x": {"9" * 5000}, "y": 1e999, "z": -0'),
    "escapes in a text": changed("data.region", "Nord\n\t\"'\\ \u0007 \U0001f600"),
    "escaped type": GOOD.replace(b"order.placed", b"order.pl\\u0061ced"),
    "other alphabets": changed("data.region", "上海"),
    "UTF-8": json.dumps({**PLACED, "id": "süd-\u00a0\U0001f600"}, ensure_ascii=False).encode(),
    "optional fields are null": changed("data.customer", None),
    "type last": json.dumps(dict(reversed(PLACED.items()))).encode(),
    "the same type twice": raw_field('"type": "order.placed"'),
    "brackets in a text": raw_field(json.dumps({"x": '[{"\\' * 2000})[1:-1]),
    "as deep as allowed": raw_field(f'"x": {"[" * (MAX_NESTING - 1)}{"]" * (MAX_NESTING - 1)}'),
}


@pytest.mark.parametrize(("raw", "code", "reason"), REJECTED.values(), ids=REJECTED.keys())
def test_bad_input_is_rejected_with_code_and_one_line_reason(raw: bytes | None, code: str, reason: str) -> None:
    events, rejections = ChunkDecoder("orders").decode_chunk([raw])
    assert events == [None]
    ((place, rejection),) = rejections
    assert place == 0
    assert rejection.code == code
    assert rejection.reason.startswith(reason)
    assert len(rejection.reason.splitlines()) == 1
    assert len(rejection.reason) < 250


@pytest.mark.parametrize(("raw", "code", "reason"), REJECTED.values(), ids=REJECTED.keys())
def test_bad_input_does_not_touch_its_neighbours(raw: bytes | None, code: str, reason: str) -> None:
    event = decode(GOOD)
    events, rejections = ChunkDecoder("orders").decode_chunk([GOOD, raw, GOOD, raw, raw, GOOD])
    assert events == [event, None, event, None, None, event]
    assert [place for place, _ in rejections] == [1, 3, 4]
    assert {rejection.code for _, rejection in rejections} == {code}


@pytest.mark.parametrize("raw", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_unusual_but_valid_events_are_accepted(raw: bytes) -> None:
    events, rejections = ChunkDecoder("orders").decode_chunk([GOOD, raw, GOOD])
    assert rejections == []
    assert isinstance(events[1], OrderPlaced)
    assert events[1] == decode(raw)


def test_all_bad_input_together_is_rejected_as_alone() -> None:
    decoder = ChunkDecoder("orders")
    alone = [decoder.decode_chunk([raw])[1][0][1] for raw, _, _ in REJECTED.values()]
    events, rejections = decoder.decode_chunk([raw for raw, _, _ in REJECTED.values()])
    assert events == [None] * len(REJECTED)
    assert [rejection for _, rejection in rejections] == alone


def test_an_empty_chunk_gives_nothing() -> None:
    assert ChunkDecoder("any").decode_chunk([]) == ([], [])


def test_a_split_character_is_not_completed_by_the_next_value() -> None:
    head, tail = raw_field('"x": "A"').replace(b"A", b"\xc3"), b"\xbc" + GOOD
    events, rejections = ChunkDecoder("orders").decode_chunk([head, tail])
    assert events == [None, None]
    assert [rejection.code for _, rejection in rejections] == ["invalid_utf8", "invalid_utf8"]


@pytest.mark.parametrize("event", BUSINESS, ids=lambda event: str(event.__struct_config__.tag))
def test_every_example_survives_the_round_trip(event: BusinessEvent) -> None:
    assert decode(encode(event)) == event


@pytest.mark.parametrize("event", BUSINESS, ids=lambda event: str(event.__struct_config__.tag))
def test_an_event_is_accepted_by_its_own_topic_only(event: BusinessEvent) -> None:
    kind = str(event.__struct_config__.tag).split(".")[0]
    own = {"order": "orders", "delivery": "deliveries", "ticket": "support"}.get(kind)
    for family in ("orders", "deliveries", "support"):
        events, rejections = ChunkDecoder(family).decode_chunk([encode(event)])  # type: ignore[arg-type]
        if own in (family, None):
            assert events == [event]
        else:
            assert [rejection.code for _, rejection in rejections] == ["wrong_topic"]


def test_an_encoded_event_is_a_complete_cloudevent() -> None:
    attributes = json.loads(encode(OrderPaid(**ENVELOPE, data=PaidData(order_id="O-1"))))
    assert list(attributes) == ["type", "specversion", "id", "source", "time", "subject", "data"]
    assert attributes["specversion"] == "1.0"
    assert attributes["data"] == {"order_id": "O-1"}
    assert [("content-type", CONTENT_TYPE.encode())] == HEADERS


ENVELOPE: dict[str, Any] = {"id": "e", "source": "/s", "time": "2026-03-01T09:30:00Z", "subject": "O-1"}


@pytest.mark.parametrize(
    ("subject", "data", "expected"),
    [
        ("O-1", OpenedData(ticket_id="T-1", order_id="O-1"), None),
        ("T-1", OpenedData(ticket_id="T-1"), None),
        ("T-1", OpenedData(ticket_id="T-1", order_id="O-1"), "the order id 'O-1', got 'T-1'"),
        ("O-1", OpenedData(ticket_id="T-1"), "the ticket id 'T-1', got 'O-1'"),
    ],
)
def test_a_ticket_opens_under_its_order_or_else_under_its_own_id(
    subject: str, data: OpenedData, expected: str | None
) -> None:
    raw = encode(TicketOpened(**{**ENVELOPE, "subject": subject}, data=data))
    _, rejections = ChunkDecoder("support").decode_chunk([raw])
    assert [rejection.reason for _, rejection in rejections] == ([f"subject: expected {expected}"] if expected else [])


def test_values_beyond_the_limit_are_rejected_whatever_the_limit() -> None:
    decoder = ChunkDecoder("orders", max_bytes=len(GOOD))
    _, rejections = decoder.decode_chunk([GOOD, GOOD + b" "])
    assert [(place, rejection.reason) for place, rejection in rejections] == [
        (1, f"too large: {len(GOOD) + 1} bytes (limit {len(GOOD)})")
    ]


def test_acceptance_does_not_depend_on_the_depth_of_the_caller() -> None:
    decoder = ChunkDecoder("orders")
    value = ACCEPTED["as deep as allowed"]

    def at_depth(depth: int) -> bool:
        return at_depth(depth - 1) if depth else decoder.decode_chunk([value])[1] == []

    assert at_depth(0)
    assert at_depth(200)


def test_an_exhausted_stack_is_no_exception_either() -> None:
    decoder = ChunkDecoder("orders")
    value = ACCEPTED["as deep as allowed"]

    def at_depth(depth: int) -> str:
        return at_depth(depth - 1) if depth else decoder.decode_chunk([value])[1][0][1].reason

    used = 0
    frame = sys._getframe()
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    assert at_depth(sys.getrecursionlimit() - used - 200) == "malformed JSON: nested too deeply"


def test_decode_raises_the_reason() -> None:
    with pytest.raises(ContractError, match=r"^missing field: data\.order_id$"):
        decode(without("data.order_id"))
    with pytest.raises(
        ContractError, match=r"^wrong topic: calendar\.entry belongs to calendar, not to the event topics$"
    ):
        decode(encode(EXAMPLES[-1]))


def test_calendar_entries_have_their_own_decoder() -> None:
    entry = EXAMPLES[-1]
    assert decode_calendar(encode(entry)) == entry
    with pytest.raises(
        ContractError, match=r"^data\.kind: 'party' is not one of promotion, holiday, maintenance, outage$"
    ):
        decode_calendar(changed("data.kind", "party", example(CalendarEntry)))
    with pytest.raises(ContractError, match=r"^data\.scope\[\.\.\.\]\[1\]: expected str, got int$"):
        decode_calendar(changed("data.scope", {"channel": ["web", 3]}, example(CalendarEntry)))
    with pytest.raises(ContractError, match=r"^subject: expected the entry id 'spring-sale', got 'x'$"):
        decode_calendar(changed("subject", "x", example(CalendarEntry)))
    with pytest.raises(ContractError, match=r"^wrong topic: order\.placed belongs to orders, not to calendar$"):
        decode_calendar(GOOD)


def test_a_text_that_cannot_be_utf8_is_not_encoded() -> None:
    with pytest.raises(ContractError, match=r"^invalid UTF-8: lone surrogate in"):
        encode(OrderPaid(**{**ENVELOPE, "id": "\ud800"}, data=PaidData(order_id="O-1")))


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (decode(GOOD), None),
        (
            decode(changed("time", "2026-02-30T00:00:00Z")),
            "time: 2026-02-30T00:00:00Z: there is no day 2026-02-30",
        ),
        (
            decode(changed("data.promised_at", "2026-03-04T18:00:00.0")),
            "data.promised_at: '2026-03-04T18:00:00.0' has no offset (expected Z or like +02:00 at the end)",
        ),
        (EXAMPLES[-1], None),
    ],
)
def test_times_are_checked_on_demand(event: BusinessEvent, reason: str | None) -> None:
    rejection = check_times(event)
    assert (rejection and rejection.reason) == reason
    assert rejection is None or rejection.code == "bad_time"


def test_extending_a_list_keeps_what_came_before_an_error_and_can_go_on() -> None:
    numbers: list[int] = []
    pending = map(int, ["1", "2", "x", "4"])
    with pytest.raises(ValueError, match="invalid literal"):
        numbers.extend(pending)
    numbers.extend(pending)
    assert numbers == [1, 2, 4]


def test_a_decoded_specversion_is_not_the_default_object() -> None:
    decoded = msgspec.json.decode(GOOD, type=OrderPlaced)
    assert decoded.specversion is not OrderPaid(**ENVELOPE, data=PaidData(order_id="O-1")).specversion


def test_the_contracts_load_without_numpy() -> None:
    script = "import sys, streams.events; sys.exit(', '.join({'numpy', 'numba', 'yaml'} & set(sys.modules)) or 0)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
