"""Import mappings: what is written is what is meant, and a mistake is one line that says where."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from streams.config import load_config
from streams.errors import MappingError
from streams.ingest.imports import load_mapping, mapping_names
from streams.ingest.imports.mapping import (
    Change,
    Column,
    Condition,
    Constant,
    FirstOf,
    Mapping,
    Part,
    Sum,
    Take,
    Template,
    TimeFormat,
)
from streams.ingest.imports.parse import PACKAGED

ROWS = """\
name: shop
timezone: Europe/Berlin
inputs:
  orders: {format: csv, delimiter: ";", encoding: cp1252}
  payments:
    format: csv
    join: {key: order, to: number, take: {paid: {sum: amount}, method: {first: kind, order_by: at}}}
nulls: ["", "-"]
private: [mail]
times: {format: "%d.%m.%Y %H:%M", columns: {due: {format: "%d.%m.%Y", end_of_day: true}}}
numbers: {decimal: ",", thousands: "."}
skip:
  - when: {number: {present: false}}
    because: no order number
events:
  - type: order.placed
    time: [ordered, confirmed]
    where: {status: [new, paid], total: {above: 0}}
    data:
      order_id: number
      customer: mail
      amount: paid
      currency: {constant: EUR}
      promised_at: due
  - type: delivery.delivered
    subject: [number, parcel]
    time: arrived
    not_before: ordered
    id: "{parcel}:arrived"
    data: {delivery_id: "{number|none}-{parcel}"}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    return path


def loaded(tmp_path: Path, text: str) -> Mapping:
    return load_mapping(written(tmp_path, text))


def test_a_mapping_is_read_as_it_is_written(tmp_path: Path) -> None:
    mapping = loaded(tmp_path, ROWS)
    assert (mapping.name, mapping.timezone, mapping.decimal, mapping.thousands) == (
        "shop",
        "Europe/Berlin",
        ",",
        ".",
    )
    assert mapping.main.delimiter == ";"
    ((_, join),) = mapping.joined
    assert (join.key, join.to) == ("order", "number")
    assert join.take == {"paid": Take("sum", "amount"), "method": Take("first", "kind", "at")}
    assert mapping.time_format("due") == TimeFormat("%d.%m.%Y", end_of_day=True)
    assert mapping.time_format("ordered") == TimeFormat("%d.%m.%Y %H:%M")
    placed, delivered = mapping.rules
    assert placed.subject == Column("number")
    assert placed.where == (
        Condition("status", "one_of", ("new", "paid")),
        Condition("total", "above", number=Decimal(0)),
    )
    assert placed.data["currency"] == Constant("EUR")
    assert placed.time == ("ordered", "confirmed")
    assert delivered.subject == FirstOf(("number", "parcel"))
    assert delivered.not_before == ("ordered",)
    assert delivered.id == Template((Part("", "parcel"), Part(":arrived")))
    assert delivered.data["delivery_id"] == Template((Part("", "number", "none"), Part("-"), Part("", "parcel")))


def test_the_columns_a_file_must_have_are_those_that_are_used(tmp_path: Path) -> None:
    mapping = loaded(tmp_path, ROWS)
    ((payments, _),) = mapping.joined
    assert mapping.columns_of(payments) == ("order", "amount", "kind", "at")
    assert set(mapping.columns_of(mapping.main)) == {
        *("mail", "number", "ordered", "confirmed", "status", "total", "due", "arrived", "parcel")
    }


def test_changes_of_state_and_sums_of_lines_are_read(tmp_path: Path) -> None:
    states = loaded(
        tmp_path,
        """\
name: log
timezone: UTC
inputs: {log: {format: parquet}}
states_of: ticket
in_order_of: at
events:
  - {type: ticket.opened, when: first, time: at, data: {ticket_id: ticket}}
  - {type: ticket.resolved, when: {enters: {state: [done, closed]}}, time: at, data: {ticket_id: ticket}}
  - {type: ticket.reopened, when: {rises: reopened}, time: at, data: {ticket_id: ticket}}
""",
    )
    assert [rule.change for rule in states.rules] == [
        Change("first"),
        Change("enters", "state", ("done", "closed")),
        Change("rises", "reopened"),
    ]
    lines = loaded(
        tmp_path,
        """\
name: lines
timezone: UTC
inputs: {lines: {format: parquet}}
lines_of: [order]
events:
  - type: order.refunded
    time: at
    data: {order_id: order, amount: {sum: price, times: pieces, negate: true}}
""",
    )
    assert lines.rules[0].data["amount"] == Sum("price", "pieces", negate=True)


@pytest.mark.parametrize("name", mapping_names())
def test_a_packaged_mapping_has_a_configuration_beside_it(name: str) -> None:
    mapping = load_mapping(name)
    config = load_config(PACKAGED / f"{name}.daybook.yaml", {})
    assert mapping.name == name
    assert config.namespace == name


def test_the_packaged_mappings_are_known_by_name() -> None:
    assert mapping_names() == ["olist", "online_retail", "servicenow"]


MISTAKES = {
    "an unknown key": ("nulls:", "null:", 8, "null: unknown key (did you mean 'nulls'?)"),
    "no time zone": ("Europe/Berlin", "Berlin", 2, "timezone: 'Berlin' is not a time zone"),
    "an unknown format": (
        "orders: {format: csv",
        "orders: {format: xlsx",
        4,
        "inputs.orders.format: 'xlsx' is unknown",
    ),
    "an unknown encoding": ("cp1252", "latin-99", 4, "inputs.orders.encoding: 'latin-99' is not an encoding"),
    "a delimiter of two": (
        'delimiter: ";"',
        'delimiter: ";;"',
        4,
        "inputs.orders.delimiter: ';;' is not one ASCII",
    ),
    "an unknown type": (
        "type: order.placed",
        "type: order.sent",
        16,
        "events[0].type: 'order.sent' is unknown",
    ),
    "an unknown field": (
        "promised_at:",
        "promise_at:",
        24,
        "promise_at: unknown key (did you mean 'promised_at'?)",
    ),
    "a field that is missing": ("      order_id: number\n", "", 19, "events[0].data: 'order_id' is missing"),
    "a currency that is none": (
        "constant: EUR",
        "constant: EURO",
        23,
        "events[0].data.currency.constant: 'EURO': ",
    ),
    "a customer in clear": (
        "customer: mail",
        "customer: number",
        21,
        "'number' is not a column listed under private",
    ),
    "a customer made of text": (
        "customer: mail",
        'customer: "{mail}"',
        21,
        "is not a column listed under private",
    ),
    "a template for money": ("amount: paid", 'amount: "{paid}"', 22, "a template gives text, not money"),
    "a broken template": (
        "{parcel}:arrived",
        "{parcel:arrived",
        29,
        "is not a template (expected like '{order_id}:paid')",
    ),
    "a template of nothing": (
        "{parcel}:arrived",
        "arrived",
        29,
        "'arrived' would be the same for every event",
    ),
    "a sum of one row": ("amount: paid", "amount: {sum: total}", 22, "a sum needs lines_of"),
    "items of one row": ("amount: paid", "amount: paid\n      items: {each: {}}", 23, "items need lines_of"),
    "a change without states": (
        "time: arrived",
        "when: first\n    time: arrived",
        27,
        "only be seen with states_of",
    ),
    "a subject of its own": (
        "where:",
        "subject: number\n    where:",
        18,
        "leave it out: the subject of order.placed is",
    ),
    "no subject": ("    subject: [number, parcel]\n", "", 25, "'subject' is missing"),
    "a size that is none": ("above: 0", "above: much", 18, "total.above: 'much' is not a number"),
    "an unknown test": ("above: 0", "over: 0", 18, "where.total.over: unknown key"),
    "a time format of nothing": ('"%d.%m.%Y %H:%M"', '"DD.MM.YYYY"', 10, "'DD.MM.YYYY' is not a time format"),
    "a point for two things": (
        'thousands: "."',
        'thousands: ","',
        11,
        "numbers.thousands: the same as the decimal sign",
    ),
    "an order of a sum": ("sum: amount", "sum: amount, order_by: at", 7, "a sum has no order"),
    "two main files": ("    join: {", "    jon: {", 7, "unknown key (did you mean 'join'?)"),
    "a reason that is empty": ("because: no order number", 'because: " "', 14, "skip[0].because: is empty"),
    "a name with spaces": (
        "name: shop",
        "name: My Shop",
        1,
        "name: 'My Shop' is not a name of small letters",
    ),
}


@pytest.mark.parametrize(("before", "after", "line", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_by_file_and_line(tmp_path: Path, before: str, after: str, line: int, told: str) -> None:
    assert before in ROWS
    path = written(tmp_path, ROWS.replace(before, after, 1))
    with pytest.raises(MappingError) as error:
        load_mapping(path)
    (message,) = str(error.value).splitlines()
    assert message.startswith(f"{path}:{line}: ")
    assert told in message


def test_several_mistakes_are_told_together(tmp_path: Path) -> None:
    text = ROWS.replace("timezone: Europe/Berlin", "timezone: Berlin").replace("above: 0", "above: much")
    with pytest.raises(MappingError) as error:
        loaded(tmp_path, text)
    assert [line.split(": ")[0].rsplit(":", 1)[1] for line in str(error.value).splitlines()] == ["2", "18"]


def test_lines_and_states_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="not together with lines_of"):
        loaded(
            tmp_path,
            """\
name: both
timezone: UTC
inputs: {rows: {format: csv}}
lines_of: order
states_of: order
events: [{type: order.cancelled, when: first, time: at, data: {order_id: order}}]
""",
        )


def test_with_states_every_event_needs_a_change(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="'when' is missing"):
        loaded(
            tmp_path,
            """\
name: log
timezone: UTC
inputs: {rows: {format: csv}}
states_of: ticket
events: [{type: ticket.opened, time: at, data: {ticket_id: ticket}}]
""",
        )


def test_an_unknown_mapping_is_told_with_those_there_are() -> None:
    with pytest.raises(MappingError, match=r"shopify: no such mapping .expected olist, online_retail, servicenow, or"):
        load_mapping("shopify")


def test_a_file_that_is_not_there_or_not_yaml_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"absent\.yaml: no such file"):
        load_mapping(tmp_path / "absent.yaml")
    with pytest.raises(MappingError, match=r"shop\.yaml:1.*not valid YAML"):
        loaded(tmp_path, "name: [shop")
