"""Times: RFC 3339 in and out, one by one and many together."""

from __future__ import annotations

import numpy as np
import pytest

from streams.errors import ContractError
from streams.events.times import NO_TIME, format_time, parse_time, parse_times

VALID = {
    "1970-01-01T00:00:00Z": 0,
    "2026-03-01T09:30:00Z": 1_772_357_400_000,
    "2026-03-01T09:30:00.000Z": 1_772_357_400_000,
    "2026-03-01T09:30:00.123Z": 1_772_357_400_123,
    "2026-03-01T09:30:00.1Z": 1_772_357_400_100,
    "2026-03-01T09:30:00.12Z": 1_772_357_400_120,
    "2026-03-01T09:30:00.123999Z": 1_772_357_400_123,
    "2026-03-01T09:30:00.1239999999999999999999999Z": 1_772_357_400_123,
    "2026-03-01t09:30:00z": 1_772_357_400_000,
    "2026-03-01T11:30:00+02:00": 1_772_357_400_000,
    "2026-03-01T11:30:00.5+02:00": 1_772_357_400_500,
    "2026-03-01T04:00:00-05:30": 1_772_357_400_000,
    "2026-03-01T09:30:00-00:00": 1_772_357_400_000,
    "2026-03-02T09:29:00+23:59": 1_772_357_400_000,
    "1969-12-31T23:59:59.999Z": -1,
    "0001-01-01T00:00:00Z": -62_135_596_800_000,
    "9999-12-31T23:59:59.999Z": 253_402_300_799_999,
    "2024-02-29T00:00:00Z": 1_709_164_800_000,
    "2000-02-29T00:00:00Z": 951_782_400_000,
}

INVALID = {
    "2025-02-29T00:00:00Z": "there is no day 2025-02-29",
    "1900-02-29T00:00:00Z": "there is no day 1900-02-29",
    "2026-02-30T00:00:00Z": "there is no day 2026-02-30",
    "2026-04-31T00:00:00Z": "there is no day 2026-04-31",
    "2026-00-10T00:00:00Z": "there is no day 2026-00-10",
    "2026-13-10T00:00:00Z": "there is no day 2026-13-10",
    "2026-19-10T00:00:00Z": "there is no day 2026-19-10",
    "2026-03-00T00:00:00Z": "there is no day 2026-03-00",
    "2026-03-39T00:00:00Z": "there is no day 2026-03-39",
    "0000-01-01T00:00:00Z": "there is no day 0000-01-01",
    "2026-03-01T24:00:00Z": "there is no 24:00",
    "2026-03-01T23:60:00Z": "there is no 23:60",
    "2016-12-31T23:59:60Z": "a leap second has no place in epoch time",
    "2026-03-01T23:59:61Z": "there is no second 61",
    "2026-03-01T09:30:00+24:00": "there is no offset +24:00",
    "2026-03-01T09:30:00-02:60": "there is no offset -02:60",
    "0001-01-01T00:00:00+00:01": "outside the years 0001 to 9999",
    "9999-12-31T23:59:59-00:01": "outside the years 0001 to 9999",
    "2026-03-01T09:30:00": "has no offset",
    "2026-03-01 09:30:00": "has no offset",
    "2026-03-01 09:30:00Z": "is not a time",
    "2026-03-01T09:30Z": "is not a time",
    "2026-03-01T09:30:00.Z": "is not a time",
    "2026-03-01T09:30:00,5Z": "is not a time",
    "2026-03-01T09:30:00+0200": "is not a time",
    "2026-03-01T09:30:00+02": "is not a time",
    "2026-03-01T09:30:00+2:000": "is not a time",
    "2026-03-01T09:30:00ZZ": "is not a time",
    "2026-03-01T09:30:00Z\n": "is not a time",
    "\n2026-03-01T09:30:00Z": "is not a time",
    "2026-03-01T09:30:00Z\n2026-03-01T09:30:00Z": "is not a time",
    "2026-03-01T09:30:00Z\0": "is not a time",
    "2026-03-01T09:30\0:00Z": "is not a time",
    " 2026-03-01T09:30:00Z": "is not a time",
    "2026-03-01T09:30:0/Z": "is not a time",
    "2026-03-01T09:30:0:Z": "is not a time",
    "+026-03-01T09:30:00Z": "is not a time",
    "-001-03-01T09:30:00Z": "is not a time",
    "20260-03-01T09:30:00Z": "is not a time",
    "2026-03-01T09:30:0０Z": "is not a time",
    "٢٠٢٦-03-01T09:30:00Z": "is not a time",
    "2026-03-01T09:30:00\ud800": "is not a time",
    "1772357400": "is not a time",
    "yesterday": "is not a time",
    "Z": "is not a time",
    "": "is not a time",
    "9" * 5000: "is not a time",
    f"2016-12-31T23:59:60.{'0' * 5000}Z": "leap second",
}


@pytest.mark.parametrize(("text", "ms"), VALID.items())
def test_a_valid_time_is_read(text: str, ms: int) -> None:
    assert parse_time(text) == ms


@pytest.mark.parametrize(("text", "reason"), INVALID.items(), ids=lambda text: ascii(text)[:60])
def test_an_invalid_time_is_refused_with_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_time(text)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 150
    assert str(caught.value).encode()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("around", [0, 1, 30])
@pytest.mark.parametrize("text", [*VALID, *INVALID, None], ids=lambda text: ascii(text)[:60])
def test_one_among_many_is_read_as_alone(text: str | None, around: int) -> None:
    plain = "2026-03-01T09:30:00Z"
    times, invalid = parse_times([plain] * around + [text] + [plain] * around)
    assert times.dtype == np.int64
    assert np.iinfo(np.int64).min == NO_TIME
    expected = NO_TIME if text is None else VALID.get(text, NO_TIME)
    assert times.tolist() == [VALID[plain]] * around + [expected] + [VALID[plain]] * around
    assert invalid == ([around] if text in INVALID else [])


def test_all_together_are_read_as_alone() -> None:
    texts = [*VALID, None, *INVALID, None, *VALID]
    times, invalid = parse_times(texts)
    assert times.tolist() == [VALID.get(text, NO_TIME) if text is not None else NO_TIME for text in texts]
    assert invalid == [at for at, text in enumerate(texts) if text in INVALID]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 1000])
def test_any_number_of_absent_times_is_fine(count: int) -> None:
    times, invalid = parse_times([None] * count)
    assert times.tolist() == [NO_TIME] * count
    assert invalid == []


def test_every_day_of_four_centuries_is_read() -> None:
    days = np.arange(np.datetime64("1800-01-01"), np.datetime64("2200-01-01"))
    times, invalid = parse_times([f"{day}T00:00:00Z" for day in days])
    assert invalid == []
    np.testing.assert_array_equal(times, days.astype("datetime64[ms]").astype(np.int64))


def test_every_day_that_is_none_is_refused() -> None:
    texts = [
        f"{year}-{month:02}-{day:02}T00:00:00Z"
        for year in (1900, 1999, 2000, 2024)
        for month in range(100)
        for day in range(100)
    ]
    days = [366 if year in (2000, 2024) else 365 for year in (1900, 1999, 2000, 2024)]
    _, invalid = parse_times(texts)
    assert len(invalid) == len(texts) - sum(days)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_772_357_400_007, "2026-03-01T09:30:00.007Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_is_written_with_milliseconds(ms: int, text: str) -> None:
    assert format_time(ms) == text
    assert parse_time(text) == ms


@pytest.mark.parametrize("ms", [NO_TIME, -62_135_596_800_001, 253_402_300_800_000])
def test_what_has_no_four_digit_year_is_not_written(ms: int) -> None:
    with pytest.raises(ContractError, match="outside the years 0001 to 9999"):
        format_time(ms)
