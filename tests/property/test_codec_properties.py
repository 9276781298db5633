"""For any event and any bytes: what is written is read, nothing raises, and company changes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.errors import ContractError
from streams.events import types
from streams.events.codec import ChunkDecoder, Rejection, decode, decode_calendar, encode
from streams.events.examples import EXAMPLES
from streams.events.schema import EVENT_TYPES
from streams.events.times import NO_TIME, format_time, parse_time, parse_times
from streams.events.types import BusinessEvent, CalendarEntry, Event, TicketOpened

# Other work on the machine, or compiling at the first call, is no failure.
PATIENT = settings(deadline=None)
MORE = settings(PATIENT, max_examples=300)

FIRST, LAST = -62_135_596_800_000, 253_402_300_799_999

references = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=256)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=256)
moments = st.integers(FIRST, LAST).map(format_time)


def fields_of(cls: type) -> Any:
    """A strategy for the fields of a data type: only what its annotations say."""
    values: dict[str, st.SearchStrategy[Any]] = {
        field.encode_name: value_of(field.type) for field in cast(Any, msgspec.inspect.type_info(cls)).fields
    }
    return st.builds(cls, **values)


def value_of(kind: Any) -> st.SearchStrategy[Any]:
    match kind:
        case msgspec.inspect.Metadata():
            form = (kind.extra_json_schema or {}).keys()
            if "format" in form:
                return moments
            return references if "pattern" in form else value_of(kind.type)
        case msgspec.inspect.StrType():
            return st.text(
                st.characters(exclude_categories=("Cs",)),
                min_size=kind.min_length or 0,
                max_size=kind.max_length or 20,
            )
        case msgspec.inspect.IntType():
            return st.integers(kind.ge, kind.le)
        case msgspec.inspect.FloatType():
            return st.floats(kind.ge, kind.le)
        case msgspec.inspect.LiteralType():
            return st.sampled_from(kind.values)
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.UnionType():
            return st.one_of([value_of(one) for one in kind.types])
        case msgspec.inspect.ListType():
            return st.lists(value_of(kind.item_type), max_size=4)
        case msgspec.inspect.DictType():
            return st.dictionaries(value_of(kind.key_type), value_of(kind.value_type), max_size=3)
        case msgspec.inspect.StructType():
            return fields_of(kind.cls)
    raise AssertionError(f"no strategy for {kind}")


@st.composite
def events(draw: st.DrawFn) -> Event:
    cls = draw(st.sampled_from(EVENT_TYPES))
    data = draw(fields_of(getattr(types, cls.__annotations__["data"])))
    subject = draw(references)
    if issubclass(cls, types.ORDER_TYPES) or cls is types.DeliveryDispatched:
        subject = data.order_id
    elif cls is TicketOpened:
        subject = data.order_id or data.ticket_id
    elif cls is CalendarEntry:
        subject = data.entry_id
    made: Any = cls
    return cast(
        Event,
        made(id=draw(references), source=draw(references), time=draw(moments), subject=subject, data=data),
    )


GOOD = [encode(event) for event in EXAMPLES if not isinstance(event, CalendarEntry)]
FRAGMENTS = [
    b"",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"null",
    b"-1",
    b"\xff",
    b"\xc3",
    b"\xbc",
    b"\xed\xa0\x80",
]
FRAGMENTS += [
    b"\\ud800",
    b"\\udc00",
    b"\\u0000",
    b"\\u009f",
    b"\x7f",
    b"\xc2\x85",
    b"\\",
    b"\n",
    b"\0",
    b"\xef\xbb\xbf",
]
FRAGMENTS += [
    b"NaN",
    b"1e999",
    b"0.5",
    b"[" * 600,
    b'{"a":' * 600,
    b'"type":"order.paid",',
    b'"specversion":1',
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good event with pieces cut out and others put in."""
    raw = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        cut = draw(st.integers(0, 12))
        raw = raw[:at] + draw(st.sampled_from(FRAGMENTS)) + raw[at + cut :]
    return raw


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def reshaped(draw: st.DrawFn) -> bytes:
    """A good event with one field replaced by any JSON value, or unknown fields added."""
    event = json.loads(draw(st.sampled_from(GOOD)))
    place = draw(st.sampled_from([event, event["data"]]))
    name = draw(st.sampled_from([*place, "unknown"]))
    place[name] = draw(json_values)
    return json.dumps(event, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


values = st.none() | st.binary(max_size=200) | damaged() | reshaped() | st.sampled_from(GOOD)


def alone(raw: bytes | None) -> BusinessEvent | str:
    if raw is None:
        return "empty value"
    try:
        return decode(raw)
    except ContractError as error:
        return str(error)


@given(events())
@PATIENT
def test_any_event_survives_the_round_trip(event: Any) -> None:
    read = decode_calendar if isinstance(event, CalendarEntry) else decode
    assert read(encode(event)) == event


@given(values)
@PATIENT
def test_no_value_raises_and_each_rejection_is_one_line(raw: bytes | None) -> None:
    for family in ("orders", "deliveries", "support", "any"):
        decoded, rejections = ChunkDecoder(family).decode_chunk([raw])  # type: ignore[arg-type]
        assert (decoded == [None]) == (len(rejections) == 1)
        for _, rejection in rejections:
            assert isinstance(rejection, Rejection)
            assert rejection.reason
            assert len(rejection.reason.splitlines()) == 1
            assert rejection.reason.encode()
            assert rejection.code


@given(st.lists(values, max_size=20))
@MORE
def test_each_value_of_a_chunk_is_decoded_as_alone(chunk: list[bytes | None]) -> None:
    decoded, rejections = ChunkDecoder("any").decode_chunk(chunk)
    reasons = dict(rejections)
    assert len(decoded) == len(chunk)
    assert list(reasons) == sorted(reasons)
    together = [reasons[at].reason if event is None else event for at, event in enumerate(decoded)]
    assert together == [alone(raw) for raw in chunk]


@given(values)
@PATIENT
def test_what_is_accepted_is_utf8_json_with_clean_identifiers(raw: bytes | None) -> None:
    event = alone(raw)
    if not isinstance(event, str):
        assert raw is not None
        text = json.loads(raw.decode("utf-8"))
        assert text["type"] == event.__struct_config__.tag
        assert text["specversion"] == "1.0"
        assert decode(encode(event)) == event
        for name in (event.id, event.source, event.subject):
            assert name.encode()
            assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in name)


# Times: mostly near the forms, so that every place of the form is tried.
digits = st.text("0123456789", min_size=1, max_size=4)
near = st.builds(
    "{}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}".format,
    st.integers(0, 9999).map("{:04}".format) | digits,
    st.integers(0, 13),
    st.integers(0, 32),
    st.sampled_from("TTTTtT "),
    st.integers(0, 24),
    st.integers(0, 60),
    st.integers(0, 61),
    st.just("") | st.text("0123456789", max_size=10).map(".{}".format),
    st.sampled_from(["Z", "Z", "z", "", "+02:00", "-23:59", "+24:00", "+1:00", "-0330", "Z\n", "+00:60"]),
)


@st.composite
def damaged_times(draw: st.DrawFn) -> str:
    text = draw(near)
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.text(max_size=2)) + text[at + draw(st.integers(0, 2)) :]


many = st.lists(st.none() | moments | near | damaged_times() | st.text(max_size=30), max_size=60)


@given(many)
@MORE
@example(["2026-03-01T09:30:00Z\n2026-03-01T09:30:00Z", *["2026-03-01T09:30:00Z"] * 20])
@example([*["2026-03-01T09:30:00Z"] * 20, "2026-03-01T09:30:00Z\n", ""])
@example([*["2026-03-01T09:30:00Z"] * 20, "2026-03-01T09:30:00+02", ":00"])
@example([*["2026-03-01T09:30:00Z"] * 20, "2026-03-01T09:30:00."])
def test_many_times_are_read_as_each_alone(chunk: list[str | None]) -> None:
    expected, invalid = [], []
    for at, text in enumerate(chunk):
        try:
            expected.append(NO_TIME if text is None else parse_time(text))
        except ContractError:
            expected.append(NO_TIME)
            invalid.append(at)
    times, wrong = parse_times(chunk)
    assert times.tolist() == expected
    assert wrong == invalid


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(
    st.datetimes(timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))),
    st.sampled_from(["auto", "seconds", "milliseconds", "microseconds"]),
)
@PATIENT
def test_a_time_is_read_as_the_standard_library_reads_it(moment: datetime, precision: str) -> None:
    text = moment.isoformat(timespec=precision)
    expected = (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)
    times, invalid = parse_times([text] * 20)
    if FIRST <= expected <= LAST:
        assert parse_time(text) == expected
        assert times.tolist() == [expected] * 20
    else:
        assert len(invalid) == 20


@given(st.integers(FIRST, LAST))
@PATIENT
def test_a_time_survives_the_round_trip(ms: int) -> None:
    assert parse_time(format_time(ms)) == ms
