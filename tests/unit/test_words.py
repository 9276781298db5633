"""What was seen, said as people say it."""

from __future__ import annotations

from typing import Any

from detectors.calendar.business import Circumstances
from detectors.models.model import Expected
from detectors.models.silence import Quiet
from detectors.watch.scan import Evidence
from detectors.watch.series import Look
from detectors.watch.words import Words
from tests.support.judging import final
from tests.support.shop import HOUR

DAY = 24 * HOUR


def why(value: float, expected: Expected, evidence: Evidence, quiet: Quiet | None = None, **more: Any) -> str:
    around = more.pop("around", Circumstances())
    look = Look(expected, evidence, judged=True, quiet=quiet, cases=more.pop("cases", 5.0))
    return Words("GBP").why(final("kpi", 0, value, **more), look, around, 3.0)


def test_a_value_far_from_what_is_usual() -> None:
    low = Evidence(4.0, 0.0)
    assert why(0, Expected(8.6, 14.2, 20.4), low) == "0 instead of 14 (8.6 to 20 is usual); 1 in 1,000"
    money = why(123, Expected(90_000.0, 150_000.0, 210_000.0), low, unit="money")
    assert money == "£ 1.23 instead of £ 1,500.00 (£ 900.00 to £ 2,100.00 is usual); 1 in 1,000"


def test_what_adds_up_is_said_in_hours_and_days() -> None:
    high = Evidence(0.0, 4.0, high_span=6)
    assert why(9, Expected(1.0, 5.0, 11.0), high).startswith("too much over 6 h: now 9 instead of 5 (1 to 11 is usual)")
    assert "over 6 d:" in why(9, Expected(1.0, 5.0, 11.0), high, end=final("kpi", 0, 0).start + DAY)
    assert "over 6 d:" in why(9, Expected(1.0, 5.0, 11.0), high, end=final("kpi", 0, 0).start + DAY - HOUR)


def test_a_step_within_what_is_usual_is_sudden() -> None:
    rise, fall = (
        why(8, Expected(0.0, middle, 12.2), Evidence(low, high), cases=0.0)
        for middle, low, high in ((2.2, 0.0, 4.0), (9.2, 4.0, 0.0))
    )
    assert rise.startswith("a sudden rise to 8 (0 to 12 is usual)")
    assert fall.startswith("a sudden fall to 8 (0 to 12 is usual)")


def test_of_a_level_its_steps_add_up_wherever_it_stands() -> None:
    fell, rose = Evidence(4.0, 0.0, low_span=6), Evidence(0.0, 4.0, high_span=12)
    text = why(255, Expected(0.0, 56.0, 1549.0), fell, cases=0.0)
    assert text == "fell more, or rose less, than usual over 6 h, to 255 (0 to 1,549 is usual); 1 in 1,000"
    text = why(12, Expected(0.0, 5.0, 20.0), rose, cases=0.0)
    assert text.startswith("rose more, or fell less, than usual over 12 h, to 12 (")


def test_a_ratio_with_what_it_is_made_of() -> None:
    high, expected = Evidence(0.0, 4.0), Expected(0.0, 0.1, 0.2)
    assert ", 6 of 12;" in why(0.5, expected, high, weight=12, parts=(6, 12), unit="ratio")
    assert ", 16 for 1;" in why(16.0, expected, high, weight=1, parts=(16, 1), unit="ratio")


def test_silence_and_what_is_going_on() -> None:
    quiet = Quiet(0.0, 23.0 * HOUR, 8.52, 1e-3)
    text = why(0, Expected(0.0, 0.4, 2.0, 0.8), Evidence(4.0, 0.0), quiet, around=Circumstances(holiday="Good Friday"))
    assert (
        text == "none for 23.0 h, where 8.5 are usual, not much known of that time of the week, Good Friday; 1 in 1,000"
    )
