"""Importing: rows become exactly the events that were meant, in order, and no row is lost unseen."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from streams.config import Config, load_config
from streams.errors import MappingError
from streams.events.codec import decode
from streams.events.times import format_time, parse_time
from streams.events.types import SourceHeartbeat
from streams.ingest.imports import ImportReport, Record, discard, grouping, load_mapping, run_import, send, spool
from streams.ingest.imports.report import NOTHING

NOW = parse_time("2026-03-01T00:00:00Z") / 1000

ORDERS = """\
name: shop
timezone: Europe/Berlin
inputs:
  orders: {format: csv}
private: [mail]
nulls: ["", "?"]
times: {format: "%Y-%m-%d %H:%M"}
events:
  - type: order.placed
    time: at
    data: {order_id: id, amount: total, currency: {constant: EUR}, customer: mail, region: region}
  - type: order.paid
    time: paid
    data: {order_id: id}
"""

LINES = """\
name: shop
timezone: UTC
inputs:
  lines: {format: csv}
private: [mail]
times: {format: "%Y-%m-%d %H:%M"}
lines_of: [mail, at]
events:
  - type: order.placed
    time: at
    where: {pieces: {above: 0}}
    data:
      order_id: "{mail|walk-in}/{at}"
      amount: {sum: price, times: pieces}
      currency: {constant: EUR}
      items: {each: {sku: sku, quantity: pieces, unit_price: price}}
"""

STATES = """\
name: desk
timezone: UTC
inputs:
  log: {format: csv}
times: {format: "%d/%m/%Y %H:%M"}
states_of: ticket
events:
  - {type: ticket.opened, when: first, time: at, data: {ticket_id: ticket}}
  - type: ticket.replied
    when: {enters: {state: [asked]}}
    time: at
    data: {ticket_id: ticket, by: {constant: agent}}
  - {type: ticket.resolved, when: {enters: {state: [done, closed]}}, time: at, data: {ticket_id: ticket}}
  - {type: ticket.reopened, when: {leaves: {state: [done, closed]}}, time: at, data: {ticket_id: ticket}}
"""


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(Path(__file__).resolve().parents[2] / "streams" / "daybook.yaml", {})


class Shop:
    """Imports files that a test writes."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder = folder
        self.config = config.with_(data_dir=folder / "data")
        self.records: list[Record] = []

    def file(self, name: str, content: str | bytes | pl.DataFrame) -> Path:
        path = self.folder / name
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run(self, mapping: str, *files: str | bytes | pl.DataFrame, limit: int | None = None) -> ImportReport:
        paths = [self.file(f"file{number}.csv", content) for number, content in enumerate(files, 1)]
        loaded = load_mapping(self.file("mapping.yaml", mapping))
        self.records = []
        report = run_import(
            paths, loaded, self.config, sink=self.records.extend, progress=False, limit=limit, now=lambda: NOW
        )
        assert report.read == report.used + sum(tally.count for tally in report.skipped.values())
        return report

    @property
    def events(self) -> list[Any]:
        """What was sent, heartbeats apart."""
        decoded = [decode(record.value) for record in self.records]
        return [event for event in decoded if not isinstance(event, SourceHeartbeat)]

    def told(self) -> list[tuple[str, str, str]]:
        """Type, subject and time of the events."""
        return [(str(event.__struct_config__.tag), event.subject, event.time) for event in self.events]


@pytest.fixture
def shop(tmp_path: Path, config: Config) -> Shop:
    return Shop(tmp_path, config)


def reasons(report: ImportReport) -> dict[str, int]:
    return {f"{type_}: {reason}": tally.count for (type_, reason), tally in report.left_out.items()}


# -- Rows -------------------------------------------------------------------------------------------------------


def test_a_row_gives_an_event_for_each_moment_that_has_come(shop: Shop) -> None:
    report = shop.run(
        ORDERS,
        "id,at,paid,total,mail,region\n"
        "A1,2025-07-01 10:00,2025-07-01 10:05,12.34,ann@example.org,North\n"
        "A2,2025-01-01 10:00,?,5,?,\n",
    )
    assert shop.told() == [
        ("order.placed", "A2", "2025-01-01T09:00:00.000Z"),
        ("order.placed", "A1", "2025-07-01T08:00:00.000Z"),
        ("order.paid", "A1", "2025-07-01T08:05:00.000Z"),
    ]
    second, first, _ = shop.events
    assert (first.data.amount, first.data.currency, first.data.region) == (1234, "EUR", "North")
    assert (second.data.amount, second.data.customer, second.data.region) == (500, None, None)
    assert (first.id, first.source) == ("A1:placed", "shop")
    assert report.sent == {"order.placed": 2, "order.paid": 1}
    assert reasons(report) == {"order.paid: no time in paid": 1}
    assert (report.read, report.used, report.skipped) == (2, 2, {})


def test_of_a_customer_nothing_but_a_pseudonym_is_sent(shop: Shop) -> None:
    text = (
        "id,at,paid,total,mail,region,name,phone\n"
        "A1,2025-07-01 10:00,,12,ann@example.org,North,Ann Archer,555-0199\n"
        "A2,2025-07-01 11:00,,12,ann@example.org,North,Ann Archer,555-0199\n"
    )
    shop.run(ORDERS, text)
    first, second = shop.events
    assert first.data.customer == second.data.customer
    assert len(first.data.customer) == 32
    sent = b"".join(record.key + record.value for record in shop.records)
    for private in (b"ann@", b"Ann", b"Archer", b"555-01"):
        assert private not in sent


def test_a_private_column_in_an_id_is_a_pseudonym_too(shop: Shop) -> None:
    shop.run(LINES, "mail,at,sku,pieces,price\nann@example.org,2025-07-01 10:00,Mug,1,2\n,2025-07-01 11:00,Mug,1,2\n")
    known, unknown = shop.events
    assert known.subject == f"{known.subject[:32]}/2025-07-01 10:00"
    assert unknown.subject == "walk-in/2025-07-01 11:00"
    assert b"ann" not in b"".join(record.key + record.value for record in shop.records)


def test_what_cannot_be_read_is_left_out_and_told_with_its_row(shop: Shop) -> None:
    report = shop.run(
        ORDERS,
        "id,at,paid,total,mail,region\n"
        "A1,2025-07-01 10:00,2025-07-01 10:05,lots,,\n"
        "A2,01.07.2025,2025-07-01 10:05,1,,\n"
        "A3,2025-07-01 10:00,,-1,,\n"
        "A4,2025-07-01 10:00,,,,\n"
        ",2025-07-01 10:00,,1,,\n"
        f"A5,2025-07-01 10:00,,1,,{'x' * 300}\n"
        "A6,2027-07-01 10:00,,1,,\n"
        "A7,2025-07-01 10:00,,1,,\n",
    )
    assert shop.told() == [
        ("order.placed", "A7", "2025-07-01T08:00:00.000Z"),
        ("order.paid", "A1", "2025-07-01T08:05:00.000Z"),
        ("order.paid", "A2", "2025-07-01T08:05:00.000Z"),
    ]
    assert reasons(report) == {
        "order.placed: total is not an amount of money": 1,
        "order.placed: at is not a time": 1,
        "order.placed: data.amount: expected int >= 0": 1,
        "order.placed: nothing in total for data.amount": 1,
        "order.placed: nothing in id for data.order_id": 1,
        "order.placed: data.region: expected str of length <= 256": 1,
        "order.placed: the time is in the future": 1,
        "order.paid: no time in paid": 6,
    }
    told = report.as_dict()["events"]["left_out"]
    assert {"type": "order.placed", "reason": "at is not a time", "count": 1,
            "first": [{"file": "file1.csv", "row": 2}]} in told  # fmt: skip
    assert report.skipped["data.region: expected str of length <= 256"].count == 1


def test_rows_are_skipped_for_the_reason_the_mapping_gives(shop: Shop) -> None:
    skip = 'skip:\n  - {when: {total: {at_most: 0}, region: {is_not: Gift}}, because: "nothing was paid"}\n'
    report = shop.run(
        ORDERS.replace("events:", skip + "events:"),
        "id,at,paid,total,mail,region\n"
        "A1,2025-07-01 10:00,,0,,\n"
        "A2,2025-07-01 10:00,,0.00,,Gift\n"
        "A3,2025-07-01 10:00,,0.01,,North\n"
        "A4,2025-07-01 10:00,,-7,,North\n",
    )
    assert [event.subject for event in shop.events] == ["A2", "A3"]
    assert (report.skipped["nothing was paid"].count, report.skipped["nothing was paid"].rows) == (2, [0, 3])


def test_an_event_before_what_must_precede_it_is_left_out(shop: Shop) -> None:
    report = shop.run(
        ORDERS.replace("time: paid", "time: paid\n    not_before: at"),
        "id,at,paid,total,mail,region\n"
        "A1,2025-07-01 10:00,2025-07-01 09:59,1,,\n"
        "A2,2025-07-01 10:00,2025-07-01 10:00,1,,\n",
    )
    assert reasons(report) == {"order.paid: the time is before at": 1}
    assert [subject for type_, subject, _ in shop.told() if type_ == "order.paid"] == ["A2"]


def test_the_latest_of_several_times_counts(shop: Shop) -> None:
    shop.run(
        ORDERS.replace("time: paid", "time: [at, paid]"),
        "id,at,paid,total,mail,region\nA1,2025-07-01 10:00,2025-07-01 12:00,1,,\nA2,2025-07-01 11:00,,1,,\n",
    )
    assert [(subject, time) for type_, subject, time in shop.told() if type_ == "order.paid"] == [
        ("A2", "2025-07-01T09:00:00.000Z"),
        ("A1", "2025-07-01T10:00:00.000Z"),
    ]


def test_payments_of_a_second_file_are_summed_exactly(shop: Shop) -> None:
    mapping = (
        ORDERS.replace(
            "  orders: {format: csv}",
            """\
  orders: {format: csv}
  payments:
    format: csv
    join:
      {key: order, to: id, take: {paid_in_all: {sum: value}, how: {first: kind, order_by: part}}}""",
        )
        .replace("amount: total", "amount: paid_in_all")
        .replace("data: {order_id: id}", "data: {order_id: id, method: how}")
    )
    payments = "order,part,value,kind\nA1,10,0.1,voucher\nA1,9,0.2,card\nA2,1,?,card\nA2,2,1,card\n"
    orders = (
        "id,at,paid,mail,region\n"
        "A1,2025-07-01 10:00,2025-07-01 10:00,,\nA2,2025-07-01 10:00,,,\n"
        "A3,2025-07-01 10:00,,,\nA4,2025-07-01 10:00,,,\n"
    )
    report = shop.run(mapping, payments + "A3,1,nothing,card\n", orders)
    placed = {event.subject: event.data.amount for event in shop.events if hasattr(event.data, "currency")}
    assert placed == {"A1": 30, "A2": 100}
    (paid,) = (event for event in shop.events if event.id == "A1:paid")
    assert paid.data.method == "card"
    assert reasons(report)["order.placed: nothing in paid_in_all for data.amount"] == 2


def test_several_files_are_read_one_after_the_other(shop: Shop) -> None:
    head = "id,at,paid,total,mail,region\n"
    report = shop.run(ORDERS, head + "A1,2025-07-01 10:00,,1,,\n", head + "A2,2025-07-01 09:00,,1,,\nA3,never,,1,,\n")
    assert [event.subject for event in shop.events] == ["A2", "A1"]
    (tally,) = (tally for (_, reason), tally in report.left_out.items() if reason == "at is not a time")
    assert [report.place_of(row) for row in tally.rows] == [("file2.csv", 2)]


def test_only_so_many_rows_are_read(shop: Shop) -> None:
    head = "id,at,paid,total,mail,region\n"
    rows = [f"A{number},2025-07-01 10:00,,1,,\n" for number in range(9)]
    report = shop.run(ORDERS, head + "".join(rows[:5]), head + "".join(rows[5:]), limit=7)
    assert report.read == 7
    assert [event.subject for event in shop.events] == [f"A{number}" for number in range(7)]


# -- Numbers and times ------------------------------------------------------------------------------------------


money = st.decimals(min_value=0, max_value=10**7, places=2)
pieces = st.integers(min_value=1, max_value=10**4)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(pieces, st.decimals(min_value=0, max_value=10**5, places=4)), min_size=1, max_size=30))
@pytest.mark.parametrize("written", ["text", "float"])
def test_an_order_is_worth_exactly_the_sum_of_its_lines(
    shop: Shop, written: str, lines: list[tuple[int, Decimal]]
) -> None:
    prices: list[Any] = [str(price) if written == "text" else float(price) for _, price in lines]
    frame = pl.DataFrame(
        {
            "mail": [7.0] * len(lines),
            "at": [datetime(2025, 7, 1)] * len(lines),
            "sku": ["Mug"] * len(lines),
            "pieces": [count for count, _ in lines],
            "price": prices,
        }
    )
    shop.run(LINES.replace("format: csv", "format: parquet"), frame)
    (event,) = shop.events
    exact = sum((count * price for count, price in lines), Decimal(0)) * 100
    assert event.data.amount == int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    assert [item.quantity for item in event.data.items] == [count for count, _ in lines]


@pytest.mark.parametrize(
    ("numbers", "text", "minor"),
    [
        ("{}", "1.005", 101),
        ("{}", "0.285", 29),
        ("{}", "1e3", 100_000),
        ("{money_digits: 0}", "1234", 1234),
        ("{money_digits: 3}", "1.2345", 1235),
        ("{decimal: ',', thousands: '.'}", '"1.234.567,89"', 123_456_789),
        ("{decimal: ','}", '"19,90"', 1990),
        ('{thousands: "\'"}', "1'000.50", 100_050),
    ],
)
def test_money_is_read_as_it_is_written(shop: Shop, numbers: str, text: str, minor: int) -> None:
    shop.run(f"numbers: {numbers}\n{ORDERS}", f"id,at,paid,total,mail,region\nA1,2025-07-01 10:00,,{text},,\n")
    assert shop.events[0].data.amount == minor


@pytest.mark.parametrize("text", ['"1,50"', "1.5.0", "EUR 3", "nan", "inf", "99999999999999999999"])
def test_what_is_no_amount_is_not_guessed(shop: Shop, text: str) -> None:
    report = shop.run(ORDERS, f"id,at,paid,total,mail,region\nA1,2025-07-01 10:00,,{text},,\n")
    assert shop.events == []
    assert reasons(report)["order.placed: total is not an amount of money"] == 1


@pytest.mark.parametrize("numbers", ["{decimal: ','}", "{decimal: ',', thousands: '.'}"])
@pytest.mark.parametrize("text", ["1.50", "1.5", '"1.50,0"'])
def test_a_point_is_no_decimal_comma(shop: Shop, numbers: str, text: str) -> None:
    shop.run(f"numbers: {numbers}\n{ORDERS}", f"id,at,paid,total,mail,region\nA1,2025-07-01 10:00,,{text},,\n")
    assert shop.events == []


@pytest.mark.parametrize(
    ("written", "text", "utc"),
    [
        ("'%d/%m/%Y %H:%M'", "1/7/2025 9:05", "2025-07-01T07:05:00.000Z"),
        ("'%Y-%m-%d %H:%M:%S%.f'", "2025-07-01 10:00:00.250", "2025-07-01T08:00:00.250Z"),
        ("'%Y-%m-%d'", "2025-07-01", "2025-06-30T22:00:00.000Z"),
        ("rfc3339", "2025-07-01T10:00:00-03:00", "2025-07-01T13:00:00.000Z"),
        ("'%Y-%m-%dT%H:%M:%S%z'", "2025-07-01T10:00:00+0530", "2025-07-01T04:30:00.000Z"),
        ("epoch_s", "1751364000", "2025-07-01T10:00:00.000Z"),
        ("epoch_ms", "1751364000123", "2025-07-01T10:00:00.123Z"),
        # Clocks went forward from 02:00 to 03:00: the offset before holds in the gap.
        ("'%Y-%m-%d %H:%M'", "2025-03-30 02:30", "2025-03-30T01:30:00.000Z"),
        # Clocks went back from 03:00 to 02:00: the first time round.
        ("'%Y-%m-%d %H:%M'", "2025-10-26 02:30", "2025-10-26T00:30:00.000Z"),
    ],
)
def test_a_time_is_taken_in_the_zone_of_the_file(shop: Shop, written: str, text: str, utc: str) -> None:
    shop.run(ORDERS.replace('"%Y-%m-%d %H:%M"', written), f"id,at,paid,total,mail,region\nA1,{text},,1,,\n")
    assert shop.events[0].time == utc


def test_a_promise_of_a_day_lasts_to_its_end(shop: Shop) -> None:
    mapping = ORDERS.replace(
        'times: {format: "%Y-%m-%d %H:%M"}',
        'times: {format: "%Y-%m-%d %H:%M", columns: {due: {format: "%Y-%m-%d", end_of_day: true}}}',
    ).replace("region: region", "promised_at: due")
    shop.run(mapping, "id,at,paid,total,mail,due\nA1,2025-10-25 10:00,,1,,2025-10-26\n")
    # That day has 25 hours.
    assert shop.events[0].data.promised_at == "2025-10-26T22:59:59.999Z"


def test_a_zoned_parquet_column_keeps_its_instants(shop: Shop) -> None:
    at = datetime(2025, 7, 1, 10, tzinfo=UTC)
    frame = pl.DataFrame({"id": [1], "at": [at], "paid": [None], "total": [1], "mail": ["a"], "region": ["x"]})
    shop.run(ORDERS.replace("format: csv", "format: parquet"), frame.with_columns(pl.col("paid").cast(pl.Datetime)))
    assert shop.told() == [("order.placed", "1", "2025-07-01T10:00:00.000Z")]


# -- Lines and states -------------------------------------------------------------------------------------------


def test_lines_far_apart_are_one_order(shop: Shop) -> None:
    report = shop.run(
        LINES,
        "mail,at,sku,pieces,price\n"
        "a,2025-07-01 10:00,Mug,2,1.50\n"
        "b,2025-07-01 10:00,Mug,1,1.50\n"
        "a,2025-07-01 10:00,Plate,1,4\n"
        "a,2025-07-01 10:01,Plate,-1,4\n"
        "a,2025-07-01 10:00,Spoon,half,4\n",
    )
    first, second = shop.events
    assert [(item.sku, item.quantity, item.unit_price) for item in first.data.items] == [
        ("Mug", 2, 150),
        ("Plate", 1, 400),
    ]
    assert (first.data.amount, second.data.amount) == (700, 150)
    # The half spoon is no number, so it is not above 0 either.
    assert {reason: tally.rows for reason, tally in report.skipped.items()} == {NOTHING: [3, 4]}


def test_a_line_that_cannot_be_read_is_told_and_not_in_the_order(shop: Shop) -> None:
    mapping = LINES.replace("    where: {pieces: {above: 0}}\n", "")
    report = shop.run(
        mapping, "mail,at,sku,pieces,price\na,2025-07-01 10:00,Mug,2,1.50\na,2025-07-01 10:00,Spoon,half,4\n"
    )
    assert [event.data.amount for event in shop.events] == [300]
    assert reasons(report) == {"order.placed: pieces is not a number": 1}
    assert report.skipped["pieces is not a number"].rows == [1]


LOG = (
    "ticket,at,state\n"
    "T1,1/7/2025 10:00,new\n"
    "T2,1/7/2025 10:00,done\n"
    "T1,1/7/2025 10:05,asked\n"
    "T1,1/7/2025 10:06,asked\n"
    "T1,1/7/2025 11:00,done\n"
    "T1,1/7/2025 12:00,closed\n"
    "T1,1/7/2025 12:00,new\n"
    "T1,1/7/2025 12:00,done\n"
    ",1/7/2025 12:00,done\n"
)


def test_changes_of_state_become_events(shop: Shop) -> None:
    report = shop.run(STATES, LOG)
    # Within a minute the order of the log counts, so events of a ticket at one time are 1 ms apart.
    assert shop.told() == [
        ("ticket.opened", "T1", "2025-07-01T10:00:00.000Z"),
        ("ticket.opened", "T2", "2025-07-01T10:00:00.000Z"),
        ("ticket.resolved", "T2", "2025-07-01T10:00:00.001Z"),
        ("ticket.replied", "T1", "2025-07-01T10:05:00.000Z"),
        ("ticket.resolved", "T1", "2025-07-01T11:00:00.000Z"),
        ("ticket.reopened", "T1", "2025-07-01T12:00:00.000Z"),
        ("ticket.resolved", "T1", "2025-07-01T12:00:00.001Z"),
    ]
    assert [event.id for event in shop.events if event.subject == "T1"] == [
        "T1:opened",
        "T1:replied:1",
        "T1:resolved:1",
        "T1:reopened:1",
        "T1:resolved:2",
    ]
    assert {reason: tally.rows for reason, tally in report.skipped.items()} == {
        NOTHING: [3, 5],
        "nothing in ticket": [8],
    }


def test_a_log_that_is_out_of_order_is_put_in_order_by_time(shop: Shop) -> None:
    shop.run(STATES, LOG)
    expected = shop.told()
    head, *rows = LOG.splitlines()
    newest_first = sorted(rows, key=lambda row: row.split(",")[1], reverse=True)
    shop.run(
        STATES.replace("states_of: ticket", "states_of: ticket\nin_order_of: at"), "\n".join([head, *newest_first])
    )
    assert sorted(shop.told()) == sorted(expected)


def test_a_number_that_rises_is_a_change(shop: Shop) -> None:
    mapping = STATES.replace("when: {leaves: {state: [done, closed]}}", "when: {rises: reopened}")
    log = "ticket,at,state,reopened\nT1,1/7/2025 10:00,new,3\nT1,1/7/2025 11:00,new,3\nT1,1/7/2025 12:00,new,4\n"
    shop.run(mapping, log)
    assert [(type_, time) for type_, _, time in shop.told()] == [
        ("ticket.opened", "2025-07-01T10:00:00.000Z"),
        ("ticket.reopened", "2025-07-01T12:00:00.000Z"),
    ]


# -- Order, heartbeats, size ------------------------------------------------------------------------------------


def many(rows: int) -> str:
    """Orders in no order of time, two of each minute."""
    head = "id,at,paid,total,mail,region\n"
    return head + "".join(
        f"A{n},2025-07-{1 + n * 7 % 28:02} 10:{n * 13 % 60:02},2025-08-01 1{n % 9}:00,{n}.01,c{n % 5},\n"
        for n in range(rows)
    )


def test_events_are_sent_in_the_order_of_their_times_over_all_topics(shop: Shop) -> None:
    shop.run(ORDERS, many(500))
    times = [record.time for record in shop.records]
    assert times == sorted(times)
    assert times == [parse_time(decode(record.value).time) for record in shop.records]


def test_the_same_files_give_the_same_records(shop: Shop) -> None:
    shop.run(ORDERS, many(300))
    first = shop.records
    shop.run(ORDERS, many(300))
    assert shop.records == first


def test_every_partition_of_every_topic_hears_a_heartbeat_first_now_and_then_and_last(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "BEAT_EVENTS", 100)
    report = shop.run(ORDERS, many(250))
    everywhere = {(family, partition) for family in range(3) for partition in range(shop.config.kafka.partitions)}
    beats = [at for at, record in enumerate(shop.records) if record.partition is not None]
    rounds = [beats[at : at + len(everywhere)] for at in range(0, len(beats), len(everywhere))]
    assert len(rounds) == 5 + 1
    for places in rounds:
        round_ = [shop.records[at] for at in places]
        assert {(record.family, record.partition) for record in round_} == everywhere
        (time,) = {record.time for record in round_}
        assert all(record.time >= time for record in shop.records[places[-1] :])
    assert rounds[0][0] == 0
    assert rounds[-1][-1] == len(shop.records) - 1
    assert report.heartbeats == len(beats)


def test_the_last_heartbeat_closes_the_longest_grain_and_the_time_for_stragglers(shop: Shop) -> None:
    report = shop.run(ORDERS, "id,at,paid,total,mail,region\nA1,2025-07-01 10:20,,1,,\n")
    # The default configuration: grains of an hour, 15 minutes for late events, 10 s of disorder, panes of 10 s.
    assert report.closed_until == parse_time("2025-07-01T09:15:20.000Z")
    assert shop.records[-1].time == report.closed_until


def test_nothing_is_promised_beyond_now(shop: Shop) -> None:
    last = format_time(int(NOW * 1000) - 60_000)
    report = shop.run(ORDERS.replace('"%Y-%m-%d %H:%M"', "rfc3339"), f"id,at,paid,total,mail,region\nA1,{last},,1,,\n")
    assert report.closed_until == int(NOW * 1000)


def test_an_event_that_is_there_twice_is_sent_once(shop: Shop) -> None:
    row = "A1,2025-07-01 10:00,,1,,\n"
    report = shop.run(ORDERS, "id,at,paid,total,mail,region\n" + row + "A2,2025-07-01 10:00,,1,,\n" + row)
    assert [event.subject for event in shop.events] == ["A1", "A2"]
    assert reasons(report)["order.placed: the same event twice"] == 1


def test_nothing_is_sent_of_a_file_without_rows(shop: Shop) -> None:
    report = shop.run(ORDERS, "id,at,paid,total,mail,region\n")
    assert shop.records == []
    assert (report.read, report.closed_until) == (0, None)


def lines(count: int) -> str:
    rows = (f"c{n % 7},2025-07-01 10:{n % 11:02},S{n},1,{n}.5\n" for n in range(count))
    return "mail,at,sku,pieces,price\n" + "".join(rows)


def states(count: int) -> str:
    names = ("new", "asked", "done")
    rows = (f"T{n % 9},{1 + n // 20}/7/2025 10:00,{names[n * n % 3]}\n" for n in range(count))
    return "ticket,at,state\n" + "".join(rows)


@pytest.mark.parametrize(
    ("mapping", "text"),
    [(ORDERS, many(400)), (LINES, lines(400)), (STATES, states(400))],
    ids=["rows", "lines", "states"],
)
def test_a_file_too_large_for_memory_gives_the_same_records(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, mapping: str, text: str
) -> None:
    whole = shop.run(mapping, text)
    expected = shop.records
    monkeypatch.setattr("streams.ingest.imports.reader.BATCH_ROWS", 50)
    monkeypatch.setattr(grouping, "WHOLE_ROWS", 60)
    monkeypatch.setattr(spool, "RUN_EVENTS", 45)
    monkeypatch.setattr(spool, "_READ_AHEAD", 10)
    parted = shop.run(mapping, text)
    assert shop.records == expected
    told = [report.as_dict() | {"seconds": 0} for report in (whole, parted)]
    assert told[0] == told[1]


def test_a_dry_run_sends_nothing_and_leaves_no_key_behind(shop: Shop) -> None:
    mapping = load_mapping(shop.file("mapping.yaml", ORDERS))
    report = run_import(
        [shop.file("orders.csv", many(3))], mapping, shop.config, sink=discard, progress=False, now=lambda: NOW
    )
    assert report.events == 6
    assert not shop.config.data_dir.exists()


def test_the_example_of_the_documentation_gives_what_it_says(shop: Shop) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "importing.md").read_text()
    orders = text.split("```\nnumber;", 1)[1].split("```")[0]
    mapping = text.split("```yaml\nname: shop", 1)[1].split("```")[0]
    shop.run(f"name: shop{mapping}", f"number;{orders}".encode("cp1252"))
    assert [(type_, subject) for type_, subject, _ in shop.told()] == [
        ("order.placed", "1001"),
        ("order.paid", "1001"),
        ("order.placed", "1002"),
        ("delivery.dispatched", "1001"),
    ]
    assert shop.events[0].data.amount == 4990


# -- Files that do not fit --------------------------------------------------------------------------------------


def refused(shop: Shop, mapping: str, *files: str | bytes | pl.DataFrame) -> str:
    with pytest.raises(MappingError) as error:
        shop.run(mapping, *files)
    (line,) = str(error.value).splitlines()
    return line


def test_a_missing_column_is_told_with_the_file_and_what_there_is(shop: Shop) -> None:
    line = refused(shop, ORDERS, "id,at,total,mail\nA1,2025-07-01 10:00,1,\n")
    assert line.startswith(f"{shop.folder / 'file1.csv'}: column region, paid is missing")
    assert line.endswith("there are id, at, total, mail")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "file1.csv: empty CSV"),
        (pl.DataFrame({"id": [1]}), "file1.csv: a parquet file, expected csv"),
        (b"id,at,paid,total,mail,region\nA1,2025-07-01 10:00,,1,,,,,\n", "file1.csv: found more fields than defined"),
        (b"id,at,paid,total,mail,region\nA\xff,2025-07-01 10:00,,1,,\n", "file1.csv: invalid utf-8 sequence"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(shop: Shop, content: bytes | pl.DataFrame, told: str) -> None:
    assert told in refused(shop, ORDERS, content)


def test_a_missing_second_file_is_told_with_its_columns(shop: Shop) -> None:
    mapping = ORDERS.replace(
        "  orders: {format: csv}",
        "  orders: {format: csv}\n"
        "  payments: {format: csv, join: {key: order, to: id, take: {paid_in_all: {sum: value}}}}",
    ).replace("amount: total", "amount: paid_in_all")
    line = refused(shop, mapping, "id,at,paid,mail,region\n")
    assert line == "mapping shop needs a csv file of payments (with the columns order, value)"


def test_a_text_time_without_a_format_is_told(shop: Shop) -> None:
    line = refused(shop, ORDERS.replace('times: {format: "%Y-%m-%d %H:%M"}\n', ""), many(1))
    assert "column at is text (expected its format under times)" in line


def test_an_old_encoding_is_read(shop: Shop) -> None:
    text = "id;at;paid;total;mail;region\nA1;2025-07-01 10:00;;1;;Köln\n"
    mapping = ORDERS.replace("{format: csv}", '{format: csv, encoding: cp1252, delimiter: ";"}')
    shop.run(mapping, text.encode("cp1252"))
    assert shop.events[0].data.region == "Köln"


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_data(shop: Shop) -> None:
    shop.run(ORDERS, "\ufeff" + many(1).replace("\n", "\r\n"))
    assert [event.subject for event in shop.events] == ["A0", "A0"]


def test_the_report_is_a_short_table(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    report = shop.run(ORDERS, "id,at,paid,total,mail,region\nA1,2025-07-01 10:00,,1,,\nA2,never,,1,,\n")
    Console(width=120).print(report.table())
    shown = capsys.readouterr().out
    assert "order.placed" in shown
    assert "order.placed: at is not a time (file1.csv row 2)" in shown
    assert "2025-07-01T08:00:00.000Z to 2025-07-01T08:00:00.000Z" in shown


def test_the_counts_of_a_report_are_for_programs_too(shop: Shop) -> None:
    told = shop.run(ORDERS, many(2)).as_dict()
    assert told["rows"] == {"read": 2, "used": 2, "skipped": {}}
    assert told["events"]["sent"] == {"order.paid": 2, "order.placed": 2}
