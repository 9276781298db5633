"""Whatever the values and chunks: the same codes, and no more names than allowed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.kpis.dictionary import NAMES, OTHER, UNKNOWN, Dictionary

value = st.one_of(st.none(), st.sampled_from(["", "other", "unknown"]), st.text(max_size=2))
# Runs of one value, so that newcomers become busy enough to take a place.
runs = st.lists(st.tuples(value, st.integers(1, 40)), max_size=30)


def spread(found: list[tuple[str | None, int]]) -> list[str | None]:
    return [one for one, times in found for _ in range(times)]


@given(runs, st.integers(1, 4), st.lists(st.integers(0, 400), max_size=6))
def test_chunks_make_no_difference(found: list[tuple[str | None, int]], most: int, cuts: list[int]) -> None:
    values = spread(found)
    whole = Dictionary(most)
    codes = whole.encode(values).tolist()
    dictionary = Dictionary(most)
    parts: list[int] = []
    places = [min(cut, len(values)) for cut in sorted(cuts)]
    for start, end in zip([0, *places], [*places, len(values)], strict=True):
        parts += dictionary.encode(values[start:end]).tolist()
    assert parts == codes
    assert dictionary.folded == whole.folded


@given(runs, st.integers(1, 4))
def test_every_value_is_told_by_its_name_as_other_or_as_unknown(found: list[tuple[str | None, int]], most: int) -> None:
    dictionary = Dictionary(most)
    values = spread(found)
    for one, code in zip(values, dictionary.encode(values).tolist(), strict=True):
        if not one:
            assert code == UNKNOWN
        else:
            assert dictionary.name(code) == one or code == OTHER
        assert len(dictionary._codes) <= most + len(NAMES)


@given(runs, st.integers(1, 4))
def test_other_is_used_only_when_there_are_more_values_than_names(
    found: list[tuple[str | None, int]], most: int
) -> None:
    values = spread(found)
    distinct = {one for one in values if one and one not in NAMES}
    codes = Dictionary(most).encode(values).tolist()
    folded = sum(code == OTHER and one != "other" for one, code in zip(values, codes, strict=True))
    assert (folded == 0) if len(distinct) <= most else (folded > 0)
