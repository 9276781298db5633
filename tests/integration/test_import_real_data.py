"""Real data, imported whole: every final KPI value equals what plain SQL finds in the source files.

The SQL is written from what the data mean, in local time, and shares no code with the importer or the core.
Integers (counts, sums, both sides of a ratio, levels) must be equal; a quantile may be off by the histogram's
1 %.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from streams.ingest.imports import Record
from tests.support.real_data import (
    DATA,
    Imported,
    by_local_time,
    configured,
    import_whole,
    imported,
    needs_real_data,
    through_the_core,
)

pytestmark = needs_real_data


@pytest.fixture(scope="module")
def shop_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def marketplace(shop_key: Path) -> Imported:
    return imported("olist", shop_key)


@pytest.fixture(scope="module")
def gift_shop(shop_key: Path) -> Imported:
    return imported("online_retail", shop_key)


@pytest.fixture(scope="module")
def support(shop_key: Path) -> Imported:
    return imported("servicenow", shop_key)


def by_grain(sql: duckdb.DuckDBPyRelation) -> dict[datetime, tuple[Any, ...]]:
    """Rows of (start of the grain, numbers …)."""
    return {row[0]: row[1:] for row in sql.fetchall()}


def assert_quantiles(found: dict[datetime, tuple[int, float]], expected: dict[datetime, tuple[Any, ...]]) -> None:
    """``expected``: observations and exact value in seconds. A millisecond is below what the files can
    tell."""
    assert {start: weight for start, (weight, _) in found.items()} == {
        start: weight for start, (weight, _) in expected.items()
    }
    for start, (_, value) in found.items():
        assert value == pytest.approx(expected[start][1], rel=0.0101, abs=0.001), start


# -- Marketplace
# ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def olist() -> duckdb.DuckDBPyConnection:
    """``orders``: local times as in the file, exact durations in seconds, money in centavos."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    zone = ZoneInfo("America/Sao_Paulo")

    def elapsed(start: datetime, end: datetime) -> float:
        return (end.replace(tzinfo=zone).astimezone(UTC) - start.replace(tzinfo=zone).astimezone(UTC)).total_seconds()

    db.create_function("elapsed", elapsed, ["TIMESTAMP", "TIMESTAMP"], "DOUBLE")
    db.execute(f"""
        CREATE TABLE orders AS
        WITH paid AS (
            SELECT order_id, sum(CAST(payment_value AS DECIMAL(18, 2))) AS total
            FROM read_csv('{DATA}/olist_payments.csv', all_varchar = true) GROUP BY order_id
        )
        SELECT order_id,
               order_purchase_timestamp AS placed,
               order_delivered_carrier_date AS handed,
               CASE WHEN order_delivered_customer_date >= order_purchase_timestamp
                    THEN order_delivered_customer_date END AS delivered,
               order_estimated_delivery_date AS promised,
               CAST(paid.total * 100 AS BIGINT) AS centavos,
               CASE WHEN order_status IN ('canceled', 'unavailable') THEN greatest(
                   order_purchase_timestamp, order_approved_at, order_delivered_carrier_date,
                   order_delivered_customer_date) END AS cancelled,
               least(delivered, cancelled) AS ended
        FROM read_csv('{DATA}/olist_orders.csv') JOIN paid USING (order_id)
    """)
    return db


def test_no_row_of_the_marketplace_is_lost(marketplace: Imported) -> None:
    report = marketplace.report
    assert (report.read, report.used, report.skipped) == (9_999, 9_999, {})
    assert report.sent["order.placed"] == 9_999
    assert {key: tally.count for key, tally in report.left_out.items() if key[0] == "delivery.delivered"} == {
        ("delivery.delivered", "no time in order_delivered_customer_date"): 277,
        ("delivery.delivered", "the time is before order_purchase_timestamp"): 6,
    }
    assert report.sent["delivery.delivered"] == 9_999 - 277 - 6
    assert marketplace.outcomes == {"accepted": report.events, "late": 0, "duplicates": 0}


def test_weekly_orders_and_revenue_of_the_marketplace(marketplace: Imported, olist: duckdb.DuckDBPyConnection) -> None:
    weeks = by_grain(
        olist.sql(
            """
            SELECT date_trunc('week', placed)::TIMESTAMP, count(*), sum(centavos)::BIGINT
            FROM orders GROUP BY 1
            """
        )
    )
    assert marketplace.parts("orders_placed") == {week: (count,) for week, (count, _) in weeks.items()}
    assert marketplace.parts("revenue") == {week: (total, count) for week, (count, total) in weeks.items()}


@pytest.mark.parametrize(("stat", "q"), [("p50", 0.5), ("p90", 0.9)])
@pytest.mark.parametrize(("kpi", "end"), [("order_to_door", "delivered"), ("time_to_ship", "handed")])
def test_weekly_durations_of_the_marketplace(
    marketplace: Imported, olist: duckdb.DuckDBPyConnection, kpi: str, end: str, stat: str, q: float
) -> None:
    # A few parcels were handed over before they were ordered, says the file: no duration starts there.
    weeks = by_grain(
        olist.sql(f"""
            SELECT week, len(took)::INT, took[ceil({q} * len(took))::INT] FROM (
                SELECT date_trunc('week', {end})::TIMESTAMP AS week,
                       list_sort(list(elapsed(placed, {end}))) AS took
                FROM orders WHERE {end} >= placed GROUP BY 1)
        """)
    )
    assert len(weeks) > 80
    assert_quantiles(marketplace.values(kpi, stat), weeks)


def test_weekly_on_time_ratio_of_the_marketplace(marketplace: Imported, olist: duckdb.DuckDBPyConnection) -> None:
    weeks = by_grain(
        olist.sql("""
            SELECT date_trunc('week', delivered)::TIMESTAMP, count(*) FILTER (delivered <= promised), count(*)
            FROM orders WHERE delivered IS NOT NULL GROUP BY 1
        """)
    )
    assert marketplace.parts("on_time_ratio") == weeks


def test_weekly_cancellation_ratio_of_the_marketplace(marketplace: Imported, olist: duckdb.DuckDBPyConnection) -> None:
    weeks = by_grain(
        olist.sql("""
            SELECT week, count(*) FILTER (what = 'cancelled'), count(*) FILTER (what = 'placed') FROM (
                SELECT date_trunc('week', placed)::TIMESTAMP AS week, 'placed' AS what FROM orders UNION ALL
                SELECT date_trunc('week', cancelled)::TIMESTAMP, 'cancelled' FROM orders
                WHERE cancelled IS NOT NULL)
            GROUP BY 1
        """)
    )
    assert marketplace.parts("cancellation_ratio") == weeks


@pytest.mark.parametrize(
    ("kpi", "since"), [("orders_open", "placed"), ("orders_overdue", "greatest(placed, promised)")]
)
def test_weekly_levels_of_the_marketplace(
    marketplace: Imported, olist: duckdb.DuckDBPyConnection, kpi: str, since: str
) -> None:
    weeks = by_grain(
        olist.sql(f"""
            SELECT week, (SELECT count(*) FROM orders WHERE {since} < week + INTERVAL 7 DAY
                          AND NOT coalesce(ended < week + INTERVAL 7 DAY, false))
            FROM (SELECT unnest(generate_series(
                (SELECT min(date_trunc('week', placed))::TIMESTAMP FROM orders),
                (SELECT max(date_trunc('week', greatest(placed, handed, delivered)))::TIMESTAMP FROM orders),
                INTERVAL 7 DAY)) AS week)
        """)
    )
    told = marketplace.starts(kpi)
    assert len(told) > 90
    assert marketplace.parts(kpi) == {week: count for week, count in weeks.items() if week in told and any(count)}
    # Nothing is said of a level that is 0 and has been for long, and nothing else is left unsaid.
    assert all(count == (0,) for week, count in weeks.items() if week not in told)


def test_the_marketplace_imported_twice_counts_once(marketplace: Imported, shop_key: Path) -> None:
    config = configured("olist", shop_key)
    records: list[Record] = []
    for _ in range(2):
        import_whole("olist", config, records.extend)
    values, outcomes = through_the_core(config, records)
    assert outcomes["accepted"] == marketplace.report.events
    assert outcomes["late"] + outcomes["duplicates"] == marketplace.report.events
    assert by_local_time(config, values) == marketplace.finals


# -- Gift shop
# --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def retail() -> duckdb.DuckDBPyConnection:
    """``orders`` and ``returns`` with exact sums in pence."""
    db = duckdb.connect()
    for table, sign in (("orders", 1), ("returns", -1)):
        db.execute(f"""
            CREATE TABLE {table} AS
            SELECT CustomerID, InvoiceDate::TIMESTAMP AS placed, Country,
                   round(sum(CAST(UnitPrice AS DECIMAL(18, 3)) * (Quantity * {sign})) * 100)::BIGINT AS pence,
                   sum(Quantity * {sign})::BIGINT AS pieces
            FROM '{DATA}/online_retail.parquet' WHERE UnitPrice > 0 AND Quantity * {sign} > 0 GROUP BY ALL
        """)
    return db


def test_every_line_of_the_gift_shop_is_accounted_for(gift_shop: Imported) -> None:
    report = gift_shop.report
    assert report.read == 541_909
    assert report.read == report.used + sum(tally.count for tally in report.skipped.values())
    assert {reason.split(":")[0]: tally.count for reason, tally in report.skipped.items()} == {
        "the price is zero": 2_515,
        "the price is negative": 2,
    }
    assert report.left_out == {}
    assert gift_shop.outcomes == {"accepted": report.events, "late": 0, "duplicates": 0}


def test_hourly_orders_and_revenue_of_the_gift_shop(gift_shop: Imported, retail: duckdb.DuckDBPyConnection) -> None:
    hours = by_grain(
        retail.sql("""
            SELECT date_trunc('hour', placed), count(*), sum(pence)::BIGINT, sum(pieces)::BIGINT
            FROM orders GROUP BY 1
        """)
    )
    assert len(hours) > 2_000
    assert gift_shop.parts("orders_placed") == {hour: (count,) for hour, (count, _, _) in hours.items()}
    assert gift_shop.parts("revenue") == {hour: (pence, count) for hour, (count, pence, _) in hours.items()}
    assert gift_shop.parts("pieces_sold") == {hour: (pieces, count) for hour, (count, _, pieces) in hours.items()}


def test_hourly_revenue_by_country_of_the_gift_shop(gift_shop: Imported, retail: duckdb.DuckDBPyConnection) -> None:
    countries: dict[str, dict[datetime, tuple[int, int]]] = defaultdict(dict)
    rows = retail.sql(
        "SELECT Country, date_trunc('hour', placed), sum(pence)::BIGINT, count(*) FROM orders GROUP BY 1, 2"
    )
    for country, hour, pence, count in rows.fetchall():
        countries[country][hour] = (pence, count)
    assert len(countries) == 38
    for country, hours in countries.items():
        assert gift_shop.parts("revenue", slice_=country) == hours, country


def test_hourly_returns_of_the_gift_shop(gift_shop: Imported, retail: duckdb.DuckDBPyConnection) -> None:
    hours = by_grain(
        retail.sql("SELECT date_trunc('hour', placed), count(*), sum(pence)::BIGINT FROM returns GROUP BY 1")
    )
    assert gift_shop.parts("returns") == {hour: (count,) for hour, (count, _) in hours.items()}
    assert gift_shop.parts("returned_value") == {hour: (pence, count) for hour, (count, pence) in hours.items()}


# -- Support
# ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def incidents() -> duckdb.DuckDBPyConnection:
    """``tickets`` as they were opened, and the moments they were ``resolved``, ``reopened`` and ``asked``
    about."""
    db = duckdb.connect()
    db.execute(f"""
        CREATE TABLE log AS
        SELECT number, ident_state AS state, state IN ('Resolved', 'Closed') AS done, priority,
               strptime(opened_at, '%d/%m/%Y %H:%M') AS opened,
               strptime(sys_updated_at, '%d/%m/%Y %H:%M') AS moment,
               row_number() OVER () AS line
        FROM '{DATA}/servicenow_incident_log.parquet';
        CREATE TABLE states AS
        SELECT *, lag(done, 1, false) OVER ticket AS was_done, lag(state, 1, '') OVER ticket AS was
        FROM log WINDOW ticket AS (PARTITION BY number ORDER BY line);
        CREATE TABLE tickets AS
        SELECT number, any_value(opened) AS opened, arg_min(priority, line) AS priority FROM log GROUP BY 1;
        CREATE TABLE resolved AS SELECT number, opened, moment FROM states WHERE done AND NOT was_done;
        CREATE TABLE reopened AS SELECT number, opened, moment FROM states WHERE was_done AND NOT done;
        CREATE TABLE asked AS
        SELECT number, opened, moment FROM states WHERE state = 'Awaiting User Info' AND was <> state;
    """)
    return db


def test_every_state_of_the_support_log_is_accounted_for(support: Imported) -> None:
    report = support.report
    assert report.read == 141_712
    assert report.read == report.used + sum(tally.count for tally in report.skipped.values())
    assert report.sent["ticket.opened"] == 24_918
    assert report.sent["ticket.reopened"] == 331
    assert support.outcomes == {"accepted": report.events, "late": 0, "duplicates": 0}


def test_daily_tickets_opened_and_resolved(support: Imported, incidents: duckdb.DuckDBPyConnection) -> None:
    opened = by_grain(incidents.sql("SELECT date_trunc('day', opened)::TIMESTAMP, count(*) FROM tickets GROUP BY 1"))
    resolved = by_grain(incidents.sql("SELECT date_trunc('day', moment)::TIMESTAMP, count(*) FROM resolved GROUP BY 1"))
    assert support.parts("tickets_opened") == opened
    assert support.parts("tickets_resolved") == resolved


@pytest.mark.parametrize("priority", ["", "1", "2", "3", "4"])
def test_daily_tickets_open(support: Imported, incidents: duckdb.DuckDBPyConnection, priority: str) -> None:
    days = by_grain(
        incidents.sql(f"""
            WITH steps AS (
                SELECT number, opened AS moment, 1 AS step FROM tickets UNION ALL
                SELECT number, moment, -1 FROM resolved UNION ALL SELECT number, moment, 1 FROM reopened),
            steps_of AS (SELECT * FROM steps JOIN tickets USING (number)
                         WHERE '{priority}' = '' OR priority = '{priority}'),
            days AS (SELECT unnest(generate_series(
                (SELECT date_trunc('day', min(moment))::TIMESTAMP FROM steps_of),
                (SELECT date_trunc('day', max(moment))::TIMESTAMP FROM steps), INTERVAL 1 DAY)) AS day)
            SELECT day, sum(step)::BIGINT FROM days JOIN steps_of ON moment < day + INTERVAL 1 DAY GROUP BY 1
        """)
    )
    found = support.parts("tickets_open", slice_=priority)
    assert found == {day: level for day, level in days.items() if any(level)}


def test_daily_reopen_ratio(support: Imported, incidents: duckdb.DuckDBPyConnection) -> None:
    days = by_grain(
        incidents.sql("""
            SELECT day, count(*) FILTER (what = 'reopened'), count(*) FILTER (what = 'resolved') FROM (
                SELECT date_trunc('day', min(moment))::TIMESTAMP AS day, 'reopened' AS what
                FROM reopened GROUP BY number
                UNION ALL
                SELECT date_trunc('day', min(moment))::TIMESTAMP, 'resolved' FROM resolved GROUP BY number)
            GROUP BY 1
        """)
    )
    assert support.parts("reopen_ratio") == days


@pytest.mark.parametrize(("stat", "q"), [("p50", 0.5), ("p90", 0.9)])
@pytest.mark.parametrize(("kpi", "table"), [("resolution_time", "resolved"), ("first_response_time", "asked")])
def test_daily_durations_of_tickets(
    support: Imported, incidents: duckdb.DuckDBPyConnection, kpi: str, table: str, stat: str, q: float
) -> None:
    days = by_grain(
        incidents.sql(f"""
            SELECT day, len(took)::INT, took[ceil({q} * len(took))::INT] FROM (
                SELECT date_trunc('day', moment)::TIMESTAMP AS day,
                       list_sort(list(epoch(moment) - epoch(opened))) AS took
                FROM (SELECT number, opened, min(moment) AS moment FROM {table} GROUP BY ALL)
                WHERE moment >= opened GROUP BY 1)
        """)
    )
    assert len(days) > 100
    assert_quantiles(support.values(kpi, stat), days)
