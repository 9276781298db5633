"""Dead letters say where the record was and what was wrong, and keep it as it came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from streams.events.codec import Rejection
from streams.runtime.deadletters import LARGEST_VALUE, dead_letter
from streams.runtime.outbox import Record, deliver

BAD = Rejection(reason="missing field: data.order_id", code="missing_field")


def test_the_record_is_kept_as_it_came_and_the_headers_say_the_rest() -> None:
    letter = dead_letter("shop.orders.v1", 2, 1042, b"O-1", b"{not json", BAD)
    assert letter.topic == "shop.orders.v1.dlq"
    assert (letter.key, letter.value) == (b"O-1", b"{not json")
    assert dict(letter.headers) == {
        "source_topic": b"shop.orders.v1",
        "source_partition": b"2",
        "source_offset": b"1042",
        "error_code": b"missing_field",
        "error": b"missing field: data.order_id",
        "attempts": b"1",
    }


def test_a_record_without_key_or_value_stays_without() -> None:
    letter = dead_letter("t", 0, 0, None, None, BAD)
    assert (letter.key, letter.value) == (None, None)


def test_a_value_too_large_for_a_dead_letter_is_cut_and_its_size_told() -> None:
    size = LARGEST_VALUE + 1
    letter = dead_letter("t", 0, 0, None, b"x" * size, BAD)
    assert letter.value is not None
    assert len(letter.value) == LARGEST_VALUE
    assert dict(letter.headers)["original_bytes"] == str(size).encode()
    whole = dead_letter("t", 0, 0, None, b"x" * LARGEST_VALUE, BAD)
    assert "original_bytes" not in dict(whole.headers)


def test_a_reason_that_is_no_unicode_or_endless_does_no_harm() -> None:
    letter = dead_letter("t", 0, 0, None, b"", Rejection(reason="\ud800" + "x" * 5000, code="wrong_type"))
    assert dict(letter.headers)["error"].startswith(b"\\ud800xxx")
    assert len(dict(letter.headers)["error"]) < 2000


async def test_records_are_sent_in_order_and_all_acknowledgements_awaited() -> None:
    sent: list[Record] = []
    acknowledged: list[Record] = []

    async def send(record: Record) -> Awaitable[object]:
        sent.append(record)

        async def acknowledge() -> None:
            await asyncio.sleep(0)
            acknowledged.append(record)

        return acknowledge()

    records = [Record("t", b"%d" % n, None) for n in range(1000)]
    await deliver(send, records)
    assert sent == records
    assert sorted(acknowledged) == sorted(records)


async def test_the_first_failure_is_raised_when_the_others_are_settled() -> None:
    settled: list[int] = []

    async def send(record: Record) -> Awaitable[object]:
        number = int(record.key or b"")

        async def acknowledge() -> None:
            await asyncio.sleep(0)
            if number == 3:
                raise ConnectionError("gone")
            settled.append(number)

        return acknowledge()

    with pytest.raises(ConnectionError, match="gone"):
        await deliver(send, [Record("t", b"%d" % n, None) for n in range(6)])
    assert settled == [0, 1, 2, 4, 5]


async def test_records_handed_over_before_a_refusal_are_still_awaited() -> None:
    settled: list[int] = []

    async def send(record: Record) -> Awaitable[object]:
        if record.key == b"2":
            raise ValueError("too large")

        async def acknowledge() -> None:
            settled.append(int(record.key or b""))

        return acknowledge()

    with pytest.raises(ValueError, match="too large"):
        await deliver(send, [Record("t", b"%d" % n, None) for n in range(4)])
    assert settled == [0, 1]
