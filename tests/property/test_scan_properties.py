"""Whatever a chunk's bytes: scanning them gives what decoding them gives, to the last bit."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
import xxhash
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streams.events import types
from streams.events.codec import ChunkDecoder, encode
from streams.events.examples import EXAMPLES
from streams.events.times import format_time
from streams.events.types import TYPE_NAMES, CalendarEntry, SourceHeartbeat
from streams.kpis.definitions import DimensionDefinition, LevelKpi, MeasureKpi, Moment, Term
from streams.kpis.kernel import Kernel, Outcome
from streams.kpis.names import Names
from streams.kpis.plan import Plan
from streams.kpis.scan.contract import CHOICE, ITEMS, TEXT, WHOLE, data_fields
from streams.kpis.scan.digest import LONGEST, digest
from streams.kpis.scan.reader import Reader
from streams.kpis.scan.spans import joined
from streams.kpis.scan.words import PADDING
from streams.kpis.watermark import FAMILIES
from tests.property.test_codec_properties import FRAGMENTS, fields_of, json_values
from tests.property.test_journal_properties import alike, comparable
from tests.support.shop import HOUR, MINUTE, T0, definitions, family_of, moments

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
MORE = settings(PATIENT, max_examples=300)


@cache
def everything() -> Plan:
    """A plan that reads every field the configuration can name; dimensions hold few values."""
    texts: dict[str, list[tuple[str, str]]] = {}
    numbers: list[tuple[str, str]] = []
    for name, fields in zip(TYPE_NAMES, data_fields(), strict=False):
        for field in fields:
            if field.form in (TEXT, CHOICE) and field.name not in ("order_id", "delivery_id", "ticket_id", "customer"):
                texts.setdefault(field.name, []).append((name, field.name))
            elif field.form == WHOLE:
                numbers.append((name, field.name))
            elif field.form == ITEMS:
                numbers += [(name, "items.quantity"), (name, "items.count")]
    level: Any = {"grain": definitions().kpis[0].grain, "windows": definitions().kpis[0].windows}
    kpis: list[Any] = [
        MeasureKpi(
            name=f"k{number}",
            kind="sum",
            of=Term(moments=(name,), field=path),
            unit="1",
            better="higher",
            by=(("region",), ("reason", "by")),
            **level,
        )
        for number, (name, path) in enumerate(numbers)
    ]
    kpis.append(
        LevelKpi(
            name="open",
            unit="orders",
            better="lower",
            by=(("carrier", "queue"),),
            entity="order",
            start=("order.placed",),
            until=("delivery.delivered",),
            overdue="promise",
            **level,
        )
    )
    kpis += [
        MeasureKpi(name=f"n_{name}", kind="count", of=Term(moments=(name,)), unit="1", better="higher", by=(), **level)
        for name in ("answered", "refused")
    ]
    named = moments(
        answered=Moment("answered", "ticket.replied", {"by": ("agent", "bot")}),
        refused=Moment("refused", "order.refunded", {"reason": ("", "ä", "a")}),
    )
    dimensions = tuple(DimensionDefinition(name, tuple(sources)) for name, sources in texts.items())
    return Plan(definitions(*kpis, moments=named, dimensions=dimensions, values_per_dimension=3))


USUAL = [event for event in EXAMPLES if not isinstance(event, CalendarEntry)]
few_times = st.sampled_from([T0, T0 + 1, T0 + MINUTE, T0 + HOUR, T0 - HOUR]).map(format_time)
odd_numbers = st.integers(-(10**20), 10**20) | st.sampled_from([10**15, 10**15 + 1, 10**9 + 1, 0, 1, 5, -0.0, 1.0])
few_names = st.sampled_from(["a", "a", "b", "ä", "c" * 40, "d" * 129, "\u20ac\U0001f600", "ü" * 256, "e" * 257])
times = few_times | st.sampled_from(
    ["2026-01-01T00:00:00Z", "2026-01-01t02:00:00.123456+02:00", "2026-02-30T00:00:00Z", "2026-01-01 00:00:00+00:00"]
)


@st.composite
def documents(draw: st.DrawFn, family: int) -> dict[str, Any]:
    """An event as plain values, of few orders, times and texts; sometimes a field is replaced, left out or unknown."""
    usual = [event for event in USUAL if family_of(event) == family or draw(st.integers(0, 30)) == 0]
    document: dict[str, Any] = msgspec.to_builtins(draw(st.sampled_from(usual)))
    if draw(st.integers(0, 3)) == 0:
        cls: Any = draw(st.sampled_from(usual)).__class__
        data_type = getattr(types, cls.__annotations__["data"])
        document |= {"type": str(cls.__struct_config__.tag), "data": msgspec.to_builtins(draw(fields_of(data_type)))}
    data = document["data"]
    if draw(st.integers(0, 3)):
        document |= {"time": draw(times), "id": draw(few_names), "source": draw(few_names), "subject": draw(few_names)}
        for name in data:
            if name in ("order_id", "delivery_id", "ticket_id"):
                data[name] = document["subject"] if draw(st.integers(0, 9)) else draw(few_names)
            elif name == "promised_at":
                data[name] = draw(st.none() | times)
            elif isinstance(data[name], str) and name not in ("by", "currency"):
                data[name] = draw(few_names | st.just(""))
    if draw(st.integers(0, 3)) == 0:
        places = [document, data, *(data.get("items") or [])]
        place = draw(st.sampled_from(places))
        name = draw(st.sampled_from([*place, "unknown", "datacontenttype", "specversion "]))
        if draw(st.booleans()):
            place[name] = draw(
                json_values | st.integers(-(10**20), 10**20) | st.sampled_from([10**15, 0, 1, -0.0, 1.0])
            )
        else:
            place.pop(name, None)
    return document


def shuffled(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shuffled(draw, value[name]) for name in draw(st.permutations(list(value)))}
    return [shuffled(draw, one) for one in value] if isinstance(value, list) else value


@st.composite
def written(draw: st.DrawFn, family: int) -> bytes:
    """An event as some library might write it."""
    document = draw(documents(family))
    if draw(st.integers(0, 3)) == 0:
        document = shuffled(draw, document)
    if draw(st.booleans()):
        return msgspec.json.encode(document)
    text = json.dumps(
        document,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, None, 1, "\t"])),
        separators=draw(st.sampled_from([None, (",", ":"), (" ,\r\n", " : ")])),
    )
    return text.encode("utf-8", "surrogatepass")


MEMBERS = [
    b'"id":"x",',
    b'"data":{},',
    b'"type":"order.paid",',
    b'"specversion":"1.0",',
    b'"order_id":"a",',
    b'"z":[{}],',
]
SIGNS = [*FRAGMENTS, *MEMBERS, b" ", b"\t", b"\x00", b"1", b"0", b"e1", b".", b"\xf0\x9f\x98\x80", b"\xe2\x82\xac"]


@st.composite
def damaged(draw: st.DrawFn, family: int) -> bytes:
    """An event with something put in, cut out or flipped, mostly where a value begins or ends."""
    raw = draw(written(family))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        edges = [at for at, sign in enumerate(raw) if sign in b'{}[],:"']
        at = draw(st.sampled_from(edges or [0])) + draw(st.integers(0, 1))
        kind = draw(st.sampled_from(["putting in", "cutting", "flipping", "ending"]))
        if kind == "putting in":
            raw = raw[:at] + draw(st.sampled_from(SIGNS)) + raw[at:]
        elif kind == "cutting":
            raw = raw[:at] + raw[at + draw(st.integers(1, 12)) :]
        elif kind == "flipping":
            at = draw(st.integers(0, len(raw) - 1)) if raw else 0
            raw = raw[:at] + bytes(sign ^ (1 << draw(st.integers(0, 7))) for sign in raw[at : at + 1]) + raw[at + 1 :]
        else:
            raw = raw[: draw(st.integers(len(raw) - 8, len(raw)))] + draw(st.sampled_from(SIGNS))
    return raw


@st.composite
def repeated_keys(draw: st.DrawFn, family: int) -> bytes:
    """An event with one more member somewhere."""
    raw = draw(written(family))
    at = draw(st.sampled_from([at + 1 for at, sign in enumerate(raw) if sign == ord("{")]))
    return raw[:at] + draw(st.sampled_from(MEMBERS)) + raw[at:]


def values(family: int) -> st.SearchStrategy[bytes | None]:
    usual = written(family)
    return st.one_of(
        st.none(), st.binary(max_size=40), usual, usual, damaged(family), damaged(family), repeated_keys(family)
    )


@st.composite
def chunks(draw: st.DrawFn) -> list[tuple[int, list[bytes | None], bool]]:
    """Topics, record values, and whether to drain behind them."""
    families = draw(st.lists(st.integers(0, 2), min_size=1, max_size=6))
    return [(family, draw(st.lists(values(family), max_size=12)), draw(st.booleans())) for family in families]


def decoded(kernel: Kernel, decoder: ChunkDecoder, chunk: list[bytes | None], offsets: Any, arrivals: Any) -> Outcome:
    found, rejected = decoder.decode_chunk(chunk)
    outcome = kernel.process(FAMILIES.index(decoder.family), found, offsets, arrivals)
    return outcome._replace(rejected=[*rejected, *outcome.rejected])


@MORE
@given(chunks(), st.integers(0, 3))
def test_a_scanned_chunk_is_a_decoded_one(topics: list[tuple[int, list[bytes | None], bool]], dated: int) -> None:
    scanning, decoding = Kernel(everything(), 0, journalled=True), Kernel(everything(), 0, journalled=True)
    for family, chunk, drain in topics:
        decoder = ChunkDecoder(FAMILIES[family], max_bytes=2_000)
        first = scanning.next_offsets[family]
        offsets = np.arange(first, first + len(chunk), dtype=np.int64)
        arrivals = np.full(len(chunk), -1 if dated else T0, dtype=np.int64)
        assert scanning.process_raw(decoder, chunk, offsets, arrivals) == decoded(
            decoding, decoder, chunk, offsets, arrivals
        )
        if drain:
            assert scanning.drain() == decoding.drain()
            assert scanning.journal().encode() == decoding.journal().encode()
    assert alike(comparable(scanning), comparable(decoding))
    assert scanning.journal().encode() == decoding.journal().encode()


@MORE
@given(st.integers(0, 2), st.lists(st.integers(0, 30), max_size=4), st.data())
def test_where_a_chunk_is_cut_does_not_matter_to_what_is_read(
    family: int, cuts: list[int], data: st.DataObject
) -> None:
    chunk = data.draw(st.lists(written(family), max_size=30))
    decoder = ChunkDecoder(FAMILIES[family])
    bounds = sorted({0, len(chunk), *(cut for cut in cuts if cut < len(chunk))})

    def read(parts: list[list[bytes]]) -> Any:
        kernel = Kernel(everything(), 0)
        for part in parts:
            first = kernel.next_offsets[family]
            offsets = np.arange(first, first + len(part), dtype=np.int64)
            kernel.process_raw(decoder, part, offsets, np.full(len(part), -1, dtype=np.int64))
        state = comparable(kernel)
        return [state["intake"], state["offsets"], [values["names"] for values in state["dictionaries"]]]

    assert alike(read([chunk]), read([chunk[a:b] for a, b in pairwise(bounds)]))


class Undecoded(ChunkDecoder):
    """A decoder that must not be needed."""

    def decode_chunk(self, values: Any) -> Any:
        raise AssertionError(f"not scanned: {values!r}")


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("event", USUAL, ids=lambda event: str(event.__struct_config__.tag))
def test_events_as_libraries_write_them_are_scanned(event: Any, ordered: bool, separators: tuple[str, str]) -> None:
    tag = str(event.__struct_config__.tag)
    family = {"order": "orders", "delivery": "deliveries", "ticket": "support"}.get(tag.split(".")[0], "orders")
    document = msgspec.to_builtins(event) | {"datacontenttype": "application/json", "extra": {"a": [1, 2.5, None]}}
    raw = json.dumps(document, separators=separators, sort_keys=ordered, ensure_ascii=False).encode()
    reader = Reader(everything(), Kernel(everything(), 0)._dictionaries)
    read = reader.read(Undecoded(family), [encode(event), raw])
    assert (read.scanned.kind >= 0).all()
    assert read.scanned.kind[0] == (len(TYPE_NAMES) if isinstance(event, SourceHeartbeat) else TYPE_NAMES.index(tag))


@PATIENT
@given(st.binary(min_size=1, max_size=LONGEST), st.integers(0, 2**64 - 1))
@example(bytes(range(128)), 2**64 - 1)
def test_a_digest_is_the_one_of_the_library(raw: bytes, seed: int) -> None:
    array = np.frombuffer(b"before" + raw + bytes(PADDING), dtype=np.uint8)
    found = digest(array.ctypes.data + 6, len(raw), np.uint64(seed))
    assert list(found) == np.frombuffer(xxhash.xxh3_128_digest(raw, seed), dtype="<i8").tolist()


@MORE
@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 40), min_size=1, max_size=20)), max_size=20))
def test_names_keep_their_rows_until_they_are_taken_away(steps: list[tuple[bool, list[int]]]) -> None:
    """Against a plain dictionary; every third name is one within the case named before it."""
    names, model, next_row = Names(), dict[tuple[int, int, bytes], int](), 0
    for add, numbers in steps:
        if not add:
            gone = {key: row for key, row in model.items() if row % 41 in numbers}
            names.remove(np.array(list(gone.values()), dtype=np.int64))
            model = {key: row for key, row in model.items() if key not in gone}
            continue
        texts = [b"n%d" % number * (1 + number % 3 * 300) for number in numbers]
        kind = len(numbers) % 3
        cases = np.array([number % 2 for number in numbers], dtype=np.int64)
        raw, spans = joined(texts)
        rows, missing, size = names.find(raw, spans, kind, cases)
        keys = [(kind, case if kind else 0, text) for case, text in zip(cases.tolist(), texts, strict=True)]
        assert rows.tolist() == [model.get(key, -1) for key in keys]
        assert missing == sum(key not in model for key in keys)
        fresh = np.arange(next_row, next_row + missing, dtype=np.int64)
        given = names.add(raw, spans, kind, cases, rows, fresh, size)
        for key in keys:
            if key not in model:
                model[key] = next_row
                next_row += 1
        assert names.names(fresh[:given]) == [key[2] for key, row in model.items() if row in set(fresh.tolist())]
        assert rows.tolist() == [model[key] for key in keys]
    assert names.all() == (sorted(model.values()), [key[2] for key, _ in sorted(model.items(), key=lambda one: one[1])])
    assert names.cases == sum(kind == 0 for kind, _, _ in model)
    for kind in range(3):
        known = [key for key in model if key[0] == kind]
        raw, spans = joined([text for _, _, text in known])
        rows, _, _ = names.find(raw, spans, kind, np.array([case for _, case, _ in known], dtype=np.int64))
        assert rows.tolist() == [model[key] for key in known]
