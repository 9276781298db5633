"""Whom it is about that things take longer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.incidents.attribution import Amount, Slice, evidence
from detectors.incidents.votes import Vote, scope
from detectors.incidents.waits import alone
from streams.kpis.grid import HOUR_MS

MINUTE, HOUR = 60.0, HOUR_MS / 1000.0
USUAL = np.array([5 * MINUTE, 40 * MINUTE, 2 * HOUR, 3 * HOUR])
"""Of four topics, s."""
EACH = np.eye(4, dtype=np.bool_)


def gains(actual: npt.NDArray[np.float64], vague: float = 0.3) -> npt.NDArray[np.float64]:
    """For each topic that it is off alone, where expectations are off by such a share."""
    return alone(actual, USUAL, (vague * USUAL) ** 2, EACH)


def test_where_all_wait_longer_by_the_same_no_topic_explains_it() -> None:
    assert (gains(USUAL + 30 * HOUR) < 0.0).all()


def test_where_all_take_so_many_times_as_long_no_topic_explains_it() -> None:
    assert (gains(USUAL * 3.0) < 0.0).all()


@pytest.mark.parametrize("topic", range(4))
def test_the_topic_that_waits_alone_explains_it(topic: int) -> None:
    found = gains(np.where(EACH[topic], USUAL * 20.0, USUAL))
    assert found[topic] > 3.0
    assert found[topic] == max(found)


def test_where_next_to_nothing_is_known_of_what_is_usual_nothing_is_said() -> None:
    assert (gains(USUAL + 30 * HOUR, vague=100.0) < 1.0).all()


@given(st.lists(st.floats(1.0, 1e6), min_size=4, max_size=4), st.permutations(range(4)))
def test_the_order_of_slices_does_not_matter(actual: list[float], order: list[int]) -> None:
    was = np.array(actual)
    variance = (0.3 * USUAL) ** 2
    there = alone(was[order], USUAL[order], variance[order], EACH)
    assert there == pytest.approx(alone(was, USUAL, variance, EACH)[order])


def waiting(longer: dict[str, float]) -> dict[Slice, Amount]:
    """Twenty tickets of each topic that wait for so much longer (s) than what is usual."""
    found: dict[Slice, Amount] = {}
    for topic, usual in zip(("order", "return", "payment", "damaged"), USUAL.tolist(), strict=True):
        actual = usual + longer.get(topic, 0.0)
        found[(("topic", topic),)] = Amount(20 * actual, 20 * usual, 20, (20 * 0.5 * usual) ** 2)
    return found


def test_an_understaffed_desk_is_about_everybody_and_one_that_nobody_minds_about_its_topic() -> None:
    everybody = waiting(dict.fromkeys(("order", "return", "payment", "damaged"), 20 * HOUR))
    assert scope([Vote(20.0, evidence(everybody, 1, "duration"))]) == {}
    assert scope([Vote(20.0, evidence(waiting({"return": 20 * HOUR}), 1, "duration"))]) == {"topic": "return"}
