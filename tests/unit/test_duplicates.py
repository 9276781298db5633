"""Duplicates: recognised within the horizon, wherever chunks are cut, in memory that stays bounded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.events.types import OrderPaid, PaidData
from streams.kpis.duplicates import Duplicates, digests

LONG_AGO = -(2**62)


def event(id_: str, source: str = "shop") -> OrderPaid:
    return OrderPaid(id=id_, source=source, time="2026-01-01T00:00:00Z", subject="a", data=PaidData(order_id="a"))


def digest(id_: str, source: str = "shop") -> list[int]:
    return digests([event(id_, source)])[0].tolist()  # type: ignore[no-any-return]


def mark(
    seen: Duplicates, keys: list[str], times: list[int] | int = 0, horizon: list[int] | int = LONG_AGO
) -> list[bool]:
    def column(values: list[int] | int) -> npt.NDArray[np.int64]:
        return np.broadcast_to(np.array(values, dtype=np.int64), (len(keys),)).copy()

    return seen.mark(digests([event(key) for key in keys]), column(times), column(horizon)).tolist()  # type: ignore[no-any-return]


def test_a_repeat_is_found_in_another_chunk() -> None:
    seen = Duplicates()
    assert mark(seen, ["a", "b"]) == [False, False]
    assert mark(seen, ["b", "c", "a"]) == [True, False, True]


def test_a_repeat_is_found_within_a_chunk() -> None:
    assert mark(Duplicates(), ["a", "b", "a", "a"]) == [False, False, True, True]


def test_nothing_is_no_chunk() -> None:
    assert mark(Duplicates(), []) == []


def test_a_digest_is_the_same_in_every_process_and_on_every_machine() -> None:
    # It orders events of one time and kind, so a replay elsewhere needs the same one.
    assert digest("1") == [8192798727935325818, 6455823472555916105]
    assert digests([]).shape == (0, 2)


def test_source_and_id_make_the_digest_together() -> None:
    assert digest("1", "shop") == digest("1", "shop")
    assert len({tuple(digest(*pair)) for pair in [("1", "shop"), ("1", "market"), ("2", "shop"), ("shop", "1")]}) == 4
    assert digest("bc", "a") != digest("c", "ab")


def test_any_number_of_sources_can_be_told_apart() -> None:
    several = [event("1", f"source-{number}") for number in range(10_000)]
    first, again = digests(several), digests(several)
    assert np.array_equal(first, again)
    assert len(np.unique(first, axis=0)) == 10_000


def test_what_is_older_than_the_horizon_is_forgotten() -> None:
    seen = Duplicates()
    mark(seen, ["a", "b"], [100, 200])
    assert mark(seen, ["a", "b"], [100, 200], horizon=[101, 200]) == [False, True]


def test_exactly_at_the_horizon_is_still_known() -> None:
    seen = Duplicates()
    mark(seen, ["a"], 100)
    assert mark(seen, ["a"], 100, horizon=100) == [True]
    assert mark(seen, ["a"], 100, horizon=101) == [False]


def test_a_forgotten_digest_that_comes_again_is_remembered_with_its_new_time() -> None:
    seen = Duplicates()
    mark(seen, ["a"], 100)
    assert mark(seen, ["a"], 500, horizon=200) == [False]
    assert mark(seen, ["a"], 500, horizon=500) == [True]


def test_many_are_remembered_as_the_table_grows() -> None:
    seen = Duplicates()
    keys = [f"event-{number}" for number in range(50_000)]
    for at in range(0, len(keys), 700):
        assert not any(mark(seen, keys[at : at + 700]))
    assert len(seen) == len(keys)
    assert all(mark(seen, keys))
    assert not any(mark(seen, [f"another-{number}" for number in range(1000)]))


def test_a_chunk_far_larger_than_the_table_fits() -> None:
    seen = Duplicates()
    keys = [f"event-{number}" for number in range(20_000)]
    assert not any(mark(seen, keys))
    assert all(mark(seen, keys))


def test_memory_stays_bounded_as_the_horizon_moves_on() -> None:
    seen = Duplicates()
    for hour in range(300):
        keys = [f"{hour}/{number}" for number in range(1_000)]
        assert not any(mark(seen, keys, hour, horizon=hour - 2))
        assert all(mark(seen, keys, hour, horizon=hour - 2))
        # Three hours of thousand each are within the horizon; a table holds a few times that before it is rebuilt.
        assert len(seen) <= 8_000


def test_chunks_make_no_difference() -> None:
    rng = np.random.default_rng(7)
    keys = [f"event-{number}" for number in rng.integers(0, 800, 5_000)]
    times = np.arange(5_000) + rng.integers(0, 50, 5_000)
    horizon = np.maximum.accumulate(times) - 900
    whole = mark(Duplicates(), keys, times.tolist(), horizon.tolist())
    for size in (1, 13, 999):
        seen = Duplicates()
        found: list[bool] = []
        for at in range(0, len(keys), size):
            end = at + size
            found += mark(seen, keys[at:end], times[at:end].tolist(), horizon[at:end].tolist())
        assert found == whole
