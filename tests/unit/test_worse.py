"""Which way is for the worse."""

from __future__ import annotations

import pytest

from detectors.watch.worse import worse_side


@pytest.mark.parametrize(("better", "sides"), [("higher", (-1, -1)), ("lower", (1, 1)), ("neither", (-1, 1))])
def test_below_is_bad_where_higher_is_better_and_either_side_where_neither_is(
    better: str, sides: tuple[int, int]
) -> None:
    assert (worse_side(better, -1), worse_side(better, 1)) == sides
