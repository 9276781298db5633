"""Detection over real data: people are not flooded, and what is said does not depend on how the data came."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from streams.kpis.grid import DAY_MS
from tests.evaluation.real import PAGES, SETS, STORM_DAY, STORM_WEEK, WEEK_MS, Judged, Real, judge, load
from tests.support.real_data import needs_real_data

pytestmark = needs_real_data

SET = {one.name: one for one in SETS}
THREE_WEEKS = round(datetime(2010, 12, 22, tzinfo=UTC).timestamp() * 1000)
"""Of the gift shop."""


def quietly(text: str) -> None:
    pass


@pytest.fixture(scope="module")
def marketplace() -> Real:
    return load(SET["olist"])


@pytest.fixture(scope="module")
def gift_shop() -> Real:
    return load(SET["online_retail"])


@pytest.fixture(scope="module")
def marketplace_judged(marketplace: Real) -> Judged:
    return judge(marketplace, quietly)


@pytest.fixture(scope="module")
def gift_shop_judged(gift_shop: Real) -> Judged:
    return judge(gift_shop, quietly, until=THREE_WEEKS)


def said(judged: Judged) -> tuple[object, ...]:
    courses = {
        name: [column.tobytes() for column in (one.starts, one.values, one.lows, one.highs)]
        for name, one in judged.courses.items()
    }
    return courses, judged.strange, judged.alerts, judged.told, judged.pages


def test_no_storm_in_two_years_of_the_marketplace(marketplace_judged: Judged) -> None:
    assert len(marketplace_judged.pages) <= PAGES * marketplace_judged.weeks
    assert marketplace_judged.most(DAY_MS) <= STORM_DAY
    assert marketplace_judged.most(WEEK_MS) <= STORM_WEEK


def test_no_storm_in_the_first_weeks_of_the_gift_shop(gift_shop_judged: Judged) -> None:
    assert gift_shop_judged.most(DAY_MS) <= STORM_DAY
    assert gift_shop_judged.most(WEEK_MS) <= STORM_WEEK


def test_black_friday_is_told(marketplace_judged: Judged) -> None:
    days = {
        datetime.fromtimestamp(page / 1000, ZoneInfo("America/Sao_Paulo")).date() for page in marketplace_judged.pages
    }
    assert datetime(2017, 11, 24).date() in days


def test_two_years_of_the_marketplace_are_judged_the_same_in_chunks_of_any_size(
    marketplace: Real, marketplace_judged: Judged
) -> None:
    assert said(judge(marketplace, quietly, 311)) == said(marketplace_judged)


def test_weeks_of_the_gift_shop_are_judged_the_same_in_chunks_of_any_size(
    gift_shop: Real, gift_shop_judged: Judged
) -> None:
    assert said(judge(gift_shop, quietly, 97, THREE_WEEKS)) == said(gift_shop_judged)


def test_what_was_surprising_is_said_in_words(marketplace_judged: Judged) -> None:
    moments = marketplace_judged.moments()
    assert len(moments) == 10
    assert all(" in " in one.value.why for one in moments)
