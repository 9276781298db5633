"""Bounded cardinality: the busiest values keep a name, the rest is `other`, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from time import process_time

import numpy as np
import pytest

from streams.kpis.dictionary import AGEING, CLEARLY, LEAST, OTHER, UNKNOWN, Dictionary, SpaceSaving


def names(dictionary: Dictionary, values: Sequence[str | None]) -> list[str]:
    return [dictionary.name(code) for code in dictionary.encode(values).tolist()]


def test_values_keep_their_names_while_there_is_room() -> None:
    dictionary = Dictionary(3)
    assert names(dictionary, ["north", "south", "north"]) == ["north", "south", "north"]
    assert names(dictionary, ["west", "south"]) == ["west", "south"]
    assert dictionary.folded == 0


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_value_and_an_empty_one_are_unknown(nothing: str | None) -> None:
    assert Dictionary(3).encode([nothing, "a", nothing]).tolist()[::2] == [UNKNOWN, UNKNOWN]


def test_an_empty_column_has_no_codes() -> None:
    codes = Dictionary(3).encode([])
    assert codes.shape == (0,)
    assert codes.dtype == np.int32


def test_one_more_than_there_is_room_for_goes_into_other_and_is_counted() -> None:
    dictionary = Dictionary(2)
    assert names(dictionary, ["a", "b", "c", "a", "c"]) == ["a", "b", "other", "a", "other"]
    assert dictionary.folded == 2


def test_values_called_other_or_unknown_take_no_place() -> None:
    dictionary = Dictionary(2)
    assert names(dictionary, ["other", "unknown", "a", "b"]) == ["other", "unknown", "a", "b"]


def test_a_code_always_means_the_same_value() -> None:
    dictionary = Dictionary(4)
    rng = np.random.default_rng(3)
    meaning: dict[int, str] = {}
    for phase in range(20):
        # Each phase has other favourites.
        values = [f"v{(number + 3 * phase) % 40}" for number in rng.zipf(1.6, 500).tolist()]
        for value, code in zip(values, dictionary.encode(values).tolist(), strict=True):
            if code != OTHER:
                assert meaning.setdefault(code, value) == value == dictionary.name(code)


def test_a_busier_newcomer_takes_the_place_of_the_idlest() -> None:
    dictionary = Dictionary(2)
    dictionary.encode(["busy"] * 1_000 + ["quiet"] * 5)
    told = names(dictionary, ["new"] * 40)
    assert told == ["other"] * (LEAST - 1) + ["new"] * (40 - LEAST + 1)
    assert names(dictionary, ["busy", "quiet"]) == ["busy", "other"]
    assert dictionary.folded == LEAST - 1 + 1


def test_a_newcomer_must_be_clearly_busier() -> None:
    dictionary = Dictionary(1)
    dictionary.encode(["old"] * 100)
    told = names(dictionary, ["new"] * 300)
    assert told.index("new") == CLEARLY * 100 - 1


def test_the_other_way_round_it_comes_back_under_its_old_code() -> None:
    dictionary = Dictionary(1)
    first = int(dictionary.encode(["old"])[0])
    dictionary.encode(["new"] * 50)
    assert names(dictionary, ["old"]) == ["other"]
    dictionary.encode(["old"] * 200)
    assert int(dictionary.encode(["old"])[0]) == first


def test_two_of_equal_weight_do_not_keep_taking_each_others_place() -> None:
    dictionary = Dictionary(1)
    told = names(dictionary, ["a", "b"] * 5_000)
    changes = sum(one != other for one, other in zip(told[::2], told[2::2], strict=False))
    assert changes <= 2


def test_what_was_busy_long_ago_gives_way() -> None:
    dictionary = Dictionary(1)
    dictionary.encode(["old"] * 60_000)
    told = names(dictionary, ["new", None] * (2 * AGEING))
    assert told[-2] == "new"


def test_ageing_does_not_depend_on_chunks() -> None:
    rng = np.random.default_rng(1)
    values = [f"v{number}" for number in rng.zipf(1.3, 3 * AGEING).tolist()]
    whole = Dictionary(5).encode(values)
    for size in (1_000, AGEING - 1, AGEING + 1):
        dictionary = Dictionary(5)
        parts = [dictionary.encode(values[at : at + size]) for at in range(0, len(values), size)]
        assert np.array_equal(np.concatenate(parts), whole)


def test_the_busiest_values_end_up_named() -> None:
    rng = np.random.default_rng(2)
    numbers = rng.zipf(1.5, 100_000)
    dictionary = Dictionary(20)
    dictionary.encode([f"v{number}" for number in numbers.tolist()])
    busiest = {f"v{number}" for number, _ in Counter(numbers.tolist()).most_common(10)}
    assert busiest <= set(names(dictionary, sorted(busiest)))


def test_two_hundred_thousand_distinct_values_neither_crawl_nor_grow() -> None:
    dictionary = Dictionary(50)
    values: list[str | None] = [f"value-{number}" for number in range(200_000)]
    began = process_time()
    codes = np.concatenate([dictionary.encode(values[at : at + 2_000]) for at in range(0, len(values), 2_000)])
    # About 1 µs each; the limit is for slow and busy machines, a quadratic search would take minutes.
    assert process_time() - began < 10
    assert (codes != OTHER).sum() == 50
    assert dictionary.folded == 200_000 - 50
    assert len(dictionary.names) <= 60
    assert len(dictionary._waiting._weights) <= 200


def test_a_storm_of_busy_newcomers_neither_crawls_nor_grows() -> None:
    # Each comes often enough to be let in, and then never again.
    dictionary = Dictionary(50)
    values: list[str | None] = [f"value-{number // 40}" for number in range(200_000)]
    began = process_time()
    for at in range(0, len(values), 2_000):
        dictionary.encode(values[at : at + 2_000])
    assert process_time() - began < 20
    assert len(dictionary._codes) == 52
    assert len(dictionary.names) <= 5_002


class TestSpaceSaving:
    def test_it_counts_exactly_while_there_is_room(self) -> None:
        sketch = SpaceSaving(3)
        assert [sketch.add(value) for value in "abacab"] == [1, 1, 2, 1, 3, 2]

    def test_it_tells_at_least_never_too_much(self) -> None:
        rng = np.random.default_rng(5)
        sketch, exact = SpaceSaving(10), Counter[str]()
        for number in rng.zipf(1.4, 5_000).tolist():
            value = f"v{number}"
            exact[value] += 1
            assert sketch.add(value) <= exact[value]

    def test_it_finds_what_is_frequent(self) -> None:
        sketch = SpaceSaving(10)
        values = [value for number in range(3_000) for value in ("often", f"rare-{number}")]
        assert [sketch.add(value) for value in values][-2] == 3_000

    def test_it_stays_within_its_capacity(self) -> None:
        sketch = SpaceSaving(10)
        for number in range(1_000):
            sketch.add(f"v{number % 77}")
            assert len(sketch._weights) <= 10
            assert sum(map(len, sketch._levels.values())) == len(sketch._weights)

    def test_it_goes_on_after_any_mix_of_removing_and_halving(self) -> None:
        rng = np.random.default_rng(6)
        sketch = SpaceSaving(5)
        for number in rng.integers(0, 30, 20_000).tolist():
            sketch.add(f"v{number}")
            if number == 3 and "v3" in sketch._weights:
                sketch.remove("v3")
            if number == 4:
                sketch.halve()
            levels = {value: weight for weight, level in sketch._levels.items() for value in level}
            assert levels == {value: weight for value, (weight, _) in sketch._weights.items()}
            assert all(sketch._levels.values())

    def test_halving_forgets_what_was_seen_once(self) -> None:
        sketch = SpaceSaving(5)
        for value in "aaaab":
            sketch.add(value)
        sketch.halve()
        assert sketch.add("a") == 3
        assert sketch.add("b") == 1
