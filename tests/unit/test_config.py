"""The configuration: what is read, what is refused, and in which words."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from streams.config import PACKAGED, Config, Grafana, load_config, parse_span, span_text
from streams.config.contracts import fields_of, sees
from streams.config.structs import Kafka, Security, Time
from streams.config.terms import moment_sets
from streams.errors import ConfigError
from streams.events.types import TYPE_NAMES
from streams.kpis.definitions import (
    DimensionDefinition,
    DurationKpi,
    LevelKpi,
    MeasureKpi,
    Moment,
    Span,
    Term,
    stat_name,
)
from streams.runtime.metrics import Metrics

WATCHED = """
dimensions:
  region: [order.placed.region, delivery.dispatched.region]
  carrier: delivery.dispatched.carrier
moments:
  first_answer: {event: ticket.replied, where: {by: [agent]}}
kpis:
"""


def cases(table: str) -> list[tuple[str, str]]:
    """Pairs of a configuration and, indented below it, how the message it gives begins."""
    lines = [line for line in table.splitlines() if line.strip()]
    return [(text, message.strip()) for text, message in zip(lines[::2], lines[1::2], strict=True)]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Load a configuration given as text, from a file named ``daybook.yaml`` in the working directory."""
    monkeypatch.chdir(tmp_path)

    def load(text: str | bytes, **env: str) -> Config:
        Path("daybook.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_config(None, env)

    return load


@pytest.fixture
def mistakes(load):
    """The lines of the error a configuration gives."""

    def mistakes(text: str | bytes, **env: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, **env)
        return str(caught.value).splitlines()

    return mistakes


@pytest.fixture
def kpi(load):
    """The one KPI of a configuration, given as what stands after its name."""
    return lambda text: load(f"{WATCHED}  k: {text}\n").kpis[0]


@pytest.fixture
def kpi_mistake(mistakes):
    """The one mistake of a KPI ``k``, without file, line and name."""

    def kpi_mistake(text: str) -> str:
        (line,) = mistakes(f"{WATCHED}  k: {text}\n")
        assert line.startswith("daybook.yaml:8: kpis.k")
        return line.removeprefix("daybook.yaml:8: kpis.k").removeprefix(".")

    return kpi_mistake


# -- where it is found -----------------------------------------------------------------------------


def test_without_any_file_the_packaged_default_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config(env={}).source == PACKAGED


def test_the_argument_wins_over_the_variable_and_that_over_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("daybook", "variable", "argument"):
        Path(f"{name}.yaml").write_text(f"namespace: {name}")
    assert load_config(env={}).namespace == "daybook"
    assert load_config(env={"DAYBOOK_CONFIG": "variable.yaml"}).namespace == "variable"
    assert load_config(Path("argument.yaml"), {"DAYBOOK_CONFIG": "variable.yaml"}).namespace == "argument"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"^nowhere/x\.yaml: no such file$"):
        load_config(Path("nowhere/x.yaml"), {})
    with pytest.raises(ConfigError, match=r"^DAYBOOK_CONFIG: y\.yaml: no such file$"):
        load_config(None, {"DAYBOOK_CONFIG": "y.yaml"})
    with pytest.raises(ConfigError, match="is a folder, not a configuration file"):
        load_config(tmp_path, {})


# -- what is no configuration at all ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "daybook.yaml: empty"),
        (" \n\n", "daybook.yaml: empty"),
        ("# only\n# comments\n", "daybook.yaml: nothing but comments"),
        ("- a\n- b\n", "daybook.yaml:1: a list where 'key: value' lines are expected"),
        ("\nstreams/daybook.yaml\n", "daybook.yaml:2: 'streams/daybook.yaml' where 'key: value' lines"),
        (b"namespace: x\nbusiness: {name: Caf\xe9}\n", "daybook.yaml:2: not UTF-8 (byte 0xe9"),
        (b"\xff\xfen\x00", "daybook.yaml:1: not UTF-8"),
        ("namespace: x\ntime: {pane: 10s\n", "daybook.yaml:3: not valid YAML"),
        (
            "namespace: x\ntime:\n\tpane: 10s\n",
            "daybook.yaml:3: not valid YAML, column 1: a tab where spaces",
        ),
        ("namespace: x: y\n", "daybook.yaml:1: not valid YAML, column 13: mapping values are not allowed"),
        ("namespace: *nowhere\n", "daybook.yaml:1: not valid YAML, column 12: found undefined alias"),
        ("a: 1\n---\nb: 2\n", "daybook.yaml:2: not valid YAML, column 1: but found another document"),
        ("a: 1\nb: \x07\n", "daybook.yaml:2: the character U+0007 is not allowed"),
        ("[" * 1000, "daybook.yaml: nested too deeply"),
        ("? [a]\n: b\n", "daybook.yaml:1: a list cannot be a key"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_the_place(mistakes, text, message):
    (line,) = mistakes(text)
    assert line.startswith(message)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(load):
    assert load(b"\xef\xbb\xbfnamespace: shop\r\ndata_dir: data\r\n").namespace == "shop"


def test_no_tag_in_the_file_makes_anything(mistakes, tmp_path):
    made = tmp_path / "made"
    (line,) = mistakes(f"namespace: !!python/object/apply:os.mkdir ['{made}']\n")
    assert line == "daybook.yaml:1: namespace: a list is not a name"
    assert not made.exists()


# -- keys and values -------------------------------------------------------------------------------


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(mistakes):
    text = f"""
namspace: shop
worker:
  metrics_port: 99999
  flush: soon
{WATCHED}
  revenue:
    kind: sum
    of: order.placed
    field: amount
    grain: hourly
  orders: {{kind: count, of: order.placd}}
"""
    assert mistakes(text) == [
        "daybook.yaml:2: namspace: unknown key (did you mean 'namespace'?)",
        "daybook.yaml:4: worker.metrics_port: '99999' is not a port (expected 1 to 65535)",
        "daybook.yaml:5: worker.flush: 'soon' is not a duration (expected like 30s, 5m, 1h, 1d, 1w)",
        "daybook.yaml:18: kpis.revenue.grain: 'hourly' is not a duration (expected like 30s, 5m, 1h, 1d, 1w)",
        "daybook.yaml:19: kpis.orders.of: unknown moment 'order.placd' (did you mean 'order.placed'?)",
    ]


def test_the_business_says_when_it_is_open(load):
    hours = "{monday: '9:00-12:30, 13:30-18:00', saturday: '22:00-2:00'}"
    business = load(
        f"business: {{country: DE, subdivision: BY, open_on_holidays: true, opening_hours: {hours}}}\n"
    ).business
    assert (business.country, business.subdivision, business.open_on_holidays) == ("DE", "BY", True)
    closed: tuple[tuple[int, int], ...] = ()
    assert business.opening_hours == (
        ((540, 750), (810, 1080)),
        closed,
        closed,
        closed,
        closed,
        ((1320, 1560),),
        closed,
    )


def test_a_key_that_is_there_twice_is_an_error_with_both_lines(mistakes):
    assert mistakes("time:\n  pane: 10s\n  pane: 1s\n") == [
        "daybook.yaml:3: time.pane: is there twice (first in line 2)"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    cases(
        r"""
namespace: 'a b'
    namespace: 'a b' cannot begin a topic's name (expected letters, digits, '.', '_', '-')
data_dir: [a]
    data_dir: a list is not a path
data_dir: ~nobody-of-that-name/x
    data_dir: '~nobody-of-that-name/x': there is no such home folder
business: {timezone: Europe/Berln}
    business.timezone: unknown time zone 'Europe/Berln' (did you mean 'Europe/Berlin'?)
business: {timezone: Europe}
    business.timezone: unknown time zone 'Europe'
business: {timezone: ../../etc/passwd}
    business.timezone: unknown time zone '../../etc/passwd'
business: {currency: eur}
    business.currency: 'eur' is not a currency (expected three capital letters like EUR)
business: {week_starts: mondays}
    business.week_starts: 'mondays' is unknown (did you mean 'monday'?)
business: {country: GERMANY}
    business.country: no public holidays are known of 'GERMANY' (expected two capital letters like DE)
business: {country: XX}
    business.country: no public holidays are known of 'XX' (expected two capital letters like DE)
business: {country: DE, subdivision: YY}
    business.subdivision: DE has no part 'YY' (one of Augsburg, BB, BE, BW, BY
business: {subdivision: BY}
    business.subdivision: needs 'country' too
business: {opening_hours: {monday: nine}}
    business.opening_hours.monday: 'nine' are no opening hours (expected like 9:00-18:00)
business: {opening_hours: {monday: '9:00-25:00'}}
    business.opening_hours.monday: '9:00-25:00' are no opening hours (0:00-24:00 is the whole day)
business: {opening_hours: {funday: '9:00-18:00'}}
    business.opening_hours.funday: unknown key (did you mean 'sunday'?)
business: {calendars: [missing.ics]}
    business.calendars[0]: missing.ics: no such file (expected a calendar file like holidays.ics)
alerts: {per_week: 0}
    alerts.per_week: 0 alerts a week (expected 0.01 to 1000)
alerts: {kpis: {order_placed: {per_week: 1}}}
    alerts.kpis.order_placed: there is no KPI 'order_placed' (did you mean 'orders_placed'?)
alerts: {kpis: {revenue: {sensitivity: 1}}}
    alerts.kpis.revenue.sensitivity: unknown key (known: cool_down, least_cases, least_change, longest, per_week
alerts: {kpis: {revenue: {longest: 48}}}
    alerts.kpis.revenue.longest: '48' is not a whole number from 1 to 24
alerts: {kpis: {revenue: {least_change: -1}}}
    alerts.kpis.revenue.least_change: -1 is out of range (expected 0 to 100)
alerts: {per_week: 1, kpis: {revenue: {per_week: 1}}}
    alerts.kpis: nothing of 1 a week is left for 25 others (per_week of the whole business has to be more
business: shop
    business: 'shop' where 'key: value' lines are expected
kafka: {bootstrap: 'kafka://a:9092'}
    kafka.bootstrap: 'kafka://a:9092' is not an address (expected host:port like 127.0.0.1:9092)
kafka: {bootstrap: 'a:9092,b'}
    kafka.bootstrap: 'b' is not an address (expected host:port like 127.0.0.1:9092)
kafka: {bootstrap: 'a:0'}
    kafka.bootstrap: 'a:0' is not an address (expected host:port like 127.0.0.1:9092)
kafka: {partitions: 0}
    kafka.partitions: '0' is not a whole number from 1 to 1000
kafka: {partitions: four}
    kafka.partitions: 'four' is not a whole number from 1 to 1000
kafka: {embedded: maybe}
    kafka.embedded: 'maybe' is neither true nor false
kafka: {security: {protocol: SSL, username: bob}}
    kafka.security.username: has no effect with protocol SSL
kafka: {security: {ca_file: ca.pem}}
    kafka.security.ca_file: has no effect with protocol PLAINTEXT
kafka: {bootstrap: 'a:1', security: {protocol: SASL_SSL}}
    kafka.security: 'username' is missing (protocol SASL_SSL logs in)
kafka: {security: {protocol: TLS}}
    kafka.security.protocol: 'TLS' is unknown (expected one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL)
kafka: {security: {password_env: 's3cret!'}}
    kafka.security.password_env: 's3cret!' is not the name of an environment variable
kafka: {embedded: true, bootstrap: '0.0.0.0:19092'}
    kafka.embedded: the embedded broker has no access control and listens on loopback only, not on 0.0.0.0:1
kafka: {embedded: true, bootstrap: '127.0.0.1:1,127.0.0.1:2'}
    kafka.embedded: the embedded broker has no access control and listens on loopback only, not on 127.0.0.1
kafka: {embedded: true, replication: 3}
    kafka.embedded: the embedded broker is one broker: replication cannot be 3
kafka: {embedded: true, security: {protocol: SSL}}
    kafka.embedded: the embedded broker speaks PLAINTEXT only, not SSL
worker: {metrics_port: 0}
    worker.metrics_port: '0' is not a port (expected 1 to 65535)
time: {pane: 7s}
    time.pane: 15m is not a whole number of 7s (expected like 1s, 10s, 1m)
time: {pane: 0s}
    time.pane: '0s' is out of range (expected 1s to 15m)
time: {pane: 10}
    time.pane: '10' is not a duration (expected like 30s, 5m, 1h, 1d, 1w)
limits: {event_bytes: 1}
    limits.event_bytes: '1' is not a whole number from 1024 to 104857600
lifecycle: {keep_ended: 5m}
    lifecycle: keep_ended 5m is shorter than time.allowed_lateness 15m: late events would find nothing to co
kpis: {}
    kpis: no KPI at all (there must be one to watch)
dimensions: {region: order.placed.region}
    dimensions: nothing uses them without 'kpis' (the default KPIs come with their own; leave all three sect
"""
    ),
)
def test_a_wrong_value_is_named_with_what_was_expected(mistakes, text, message):
    (line,) = mistakes(text)
    assert line.startswith(f"daybook.yaml:1: {message}")


def test_what_is_pasted_into_a_value_does_not_fill_the_screen(mistakes):
    (line,) = mistakes(f"business: {{currency: '{'x' * 5000}'}}")
    assert len(line) < 600


def test_a_line_break_in_a_key_or_value_stays_in_its_line(mistakes):
    assert len(mistakes('"a\\nb": 1\ntime: {pane: "1\\ns"}')) == 2


def test_an_empty_value_counts_as_left_out(load):
    config = load("namespace:\nworker:\nkafka:\n  security:\ntime:\n  pane: ~\n")
    assert config.time.pane == 10_000
    assert config.worker.metrics_port == 9464


def test_texts_stay_as_written_whatever_yaml_makes_of_them(load):
    config = load(
        "business: {name: NO}\nmoments: {m: {event: order.placed, where: {region: [NO, 012, 1e3]}}}\n"
        "kpis: {k: {kind: count, of: m}}"
    )
    assert config.business.name == "NO"
    assert config.moments == (Moment("m", "order.placed", {"region": ("NO", "012", "1e3")}),)


def test_durations_become_milliseconds(load):
    config = load("time: {pane: 1m, out_of_order: 0s, allowed_lateness: 2h, future_limit: 500ms}")
    assert config.time == Time(pane=60_000, out_of_order=0, allowed_lateness=7_200_000, future_limit=500)


@pytest.mark.parametrize("text", ["1", "h", "1.5h", "-1h", "1 h", "1H", "1h30m", "", "٣h", "9" * 13 + "h"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_span(text)


@given(st.integers(0, 10**12))
def test_a_span_is_written_as_it_is_read(ms):
    assert parse_span(span_text(ms)).ms == ms


def test_security_is_read(load):
    config = load(
        "kafka:\n  bootstrap: a:9092, b:9092\n  security: {protocol: SASL_SSL, ca_file: ca.pem, "
        "username: bob, mechanism: SCRAM-SHA-256}\n"
    )
    assert config.kafka == Kafka(
        bootstrap="a:9092,b:9092",
        embedded=False,
        security=Security(protocol="SASL_SSL", ca_file=Path("ca.pem"), username="bob", mechanism="SCRAM-SHA-256"),
    )
    assert config.kafka.security.password_env == "DAYBOOK_KAFKA_PASSWORD"


# -- the environment -------------------------------------------------------------------------------


def test_the_environment_overrides_single_keys(load):
    config = load(
        "namespace: a\nworker: {flush: 2s}",
        DAYBOOK_NAMESPACE="b",
        DAYBOOK_DATA_DIR="elsewhere",
        DAYBOOK_METRICS_PORT="9999",
        DAYBOOK_METRICS_HOST="0.0.0.0",
        DAYBOOK_PARTITIONS="16",
        DAYBOOK_ALERTMANAGER="http://alertmanager:9093",
        DAYBOOK_LINK="https://daybook.example.org/incidents/{id}",
    )
    assert (config.namespace, config.data_dir) == ("b", Path("elsewhere"))
    assert (config.worker.metrics_host, config.worker.metrics_port, config.worker.flush) == (
        "0.0.0.0",
        9999,
        2000,
    )
    assert config.kafka.partitions == 16
    assert config.notify.alertmanager == "http://alertmanager:9093"
    assert config.notify.link == "https://daybook.example.org/incidents/{id}"
    assert load("notify: {per_hour: 3}", DAYBOOK_LINK="http://a/{id}").notify.per_hour == 3


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DAYBOOK_METRICS_PORT", "abc", "'abc' is not a port (expected 1 to 65535)"),
        ("DAYBOOK_PARTITIONS", "0", "'0' is not a whole number from 1 to 1000"),
        ("DAYBOOK_EMBEDDED", "2", "'2' is neither true nor false"),
        ("DAYBOOK_ALERTMANAGER", "alertmanager:9093", "is no address (expected like https://host:port/path)"),
        ("DAYBOOK_LINK", "http://a/b", "is no link (expected like http://127.0.0.1:8080/incidents/{id})"),
        ("DAYBOOK_BOOTSTRAP", "kafka", "'kafka' is not an address (expected host:port like 127.0.0.1:9092)"),
        (
            "DAYBOOK_NAMESPACE",
            "a/b",
            "'a/b' cannot begin a topic's name (expected letters, digits, '.', '_', '-')",
        ),
    ],
)
def test_a_wrong_variable_is_named(mistakes, name, value, message):
    assert mistakes("namespace: x", **{name: value}) == [f"{name}: {message}"]


def test_an_empty_variable_counts_as_not_set(load):
    assert load("namespace: x", DAYBOOK_NAMESPACE="", DAYBOOK_METRICS_PORT="").namespace == "x"


@pytest.mark.parametrize(
    ("file", "env", "bootstrap", "embedded"),
    [
        ("", {}, "127.0.0.1:19092", True),
        ("embedded: false", {}, "127.0.0.1:19092", False),
        ("bootstrap: a:9092", {}, "a:9092", False),
        ("bootstrap: 127.0.0.1:19999, embedded: true", {}, "127.0.0.1:19999", True),
        ("embedded: true", {"DAYBOOK_BOOTSTRAP": "a:9092"}, "a:9092", False),
        ("embedded: true", {"DAYBOOK_BOOTSTRAP": "127.0.0.1:19092"}, "127.0.0.1:19092", True),
        ("bootstrap: a:9092", {"DAYBOOK_BOOTSTRAP": "127.0.0.1:19092"}, "127.0.0.1:19092", True),
        ("embedded: false", {"DAYBOOK_BOOTSTRAP": "127.0.0.1:19092"}, "127.0.0.1:19092", False),
        ("", {"DAYBOOK_BOOTSTRAP": "127.0.0.1:5000", "DAYBOOK_EMBEDDED": "1"}, "127.0.0.1:5000", True),
        ("", {"DAYBOOK_EMBEDDED": "false"}, "127.0.0.1:19092", False),
    ],
)
def test_the_broker_is_embedded_unless_another_one_is_named(load, file, env, bootstrap, embedded):
    kafka = load(f"namespace: x\nkafka: {{{file}}}", **env).kafka
    assert (kafka.bootstrap, kafka.embedded) == (bootstrap, embedded)


# -- dimensions and moments ------------------------------------------------------------------------


def test_dimensions_name_their_sources(load):
    config = load(f"{WATCHED}  k: {{kind: count, of: order.placed}}")
    assert config.dimensions == (
        DimensionDefinition("region", (("order.placed", "region"), ("delivery.dispatched", "region"))),
        DimensionDefinition("carrier", (("delivery.dispatched", "carrier"),)),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    cases(
        r"""
dimensions: {r: order.placed.regoin}
    dimensions.r: order.placed has no text field 'regoin' to slice by (did you mean 'region'?)
dimensions: {r: order.placd.region}
    dimensions.r: 'order.placd.region' is not an event type and a field (did you mean 'order.placed'?)
dimensions: {r: order.placed.order_id}
    dimensions.r: order.placed has no text field 'order_id'
dimensions: {r: order.placed.customer}
    dimensions.r: order.placed has no text field 'customer'
dimensions: {r: order.placed.promised_at}
    dimensions.r: order.placed has no text field 'promised_at'
dimensions: {r: order.placed.amount}
    dimensions.r: order.placed has no text field 'amount'
dimensions: {r: order.placed.items.category}
    dimensions.r: 'order.placed.items.category': only a field of the event's data
dimensions: {r: region}
    dimensions.r: 'region' is not an event type and a field
dimensions: {r: }
    dimensions.r: is empty
dimensions: {r: []}
    dimensions.r: 0 entries (expected at least 1)
dimensions: {r: {a: b}}
    dimensions.r: a mapping is not an event type and a field
dimensions: {window: order.placed.region}
    dimensions.window: the label 'window' has a meaning of its own
dimensions: {Region: order.placed.region}
    dimensions.Region: 'Region' cannot name a dimension
moments: {m: {event: ticket.reply, where: {by: agent}}}
    moments.m.event: 'ticket.reply' is unknown (did you mean 'ticket.replied'?)
moments: {m: {event: ticket.replied, where: {by: agnt}}}
    moments.m.where.by: 'agnt' is unknown (did you mean 'agent'?)
moments: {m: {event: ticket.replied, where: {whom: agent}}}
    moments.m.where.whom: ticket.replied has no text field 'whom' (known: by)
moments: {m: {event: ticket.replied, where: {}}}
    moments.m.where: no condition
moments: {m: {event: ticket.replied}}
    moments.m: 'where' is missing
moments: {order.placed: {event: order.paid, where: {method: card}}}
    moments.order.placed: 'order.placed' cannot name a moment
"""
    ),
)
def test_a_wrong_dimension_or_moment_is_named(mistakes, text, message):
    lines = mistakes(f"kpis: {{k: {{kind: count, of: order.placed}}}}\n{text}")
    assert lines[0].startswith(f"daybook.yaml:2: {message}")


def test_more_dimensions_than_the_core_holds_are_refused(mistakes):
    dimensions = ", ".join(f"d{number}: order.placed.region" for number in range(17))
    (line,) = mistakes(f"dimensions: {{{dimensions}}}\nkpis: {{k: {{kind: count, of: order.placed}}}}")
    assert line == "daybook.yaml:1: dimensions: 17 dimensions (at most 16)"


def test_more_different_moments_than_the_core_holds_are_refused(mistakes):
    text = "moments:\n"
    text += "".join(f"  m{n}: {{event: order.placed, where: {{region: r{n}}}}}\n" for n in range(61))
    text += "kpis:\n" + "".join(f"  k{n}: {{kind: count, of: m{n}}}\n" for n in range(61))
    assert mistakes(text) == ["daybook.yaml:63: kpis: 61 different moments and lists of moments (at most 60)"]


def test_a_mistake_in_a_moment_gives_no_second_one_where_it_is_used(mistakes):
    text = "moments: {m: {event: order.plcd, where: {region: x}}}\nkpis: {k: {kind: count, of: m}}"
    assert len(mistakes(text)) == 1


# -- KPIs ------------------------------------------------------------------------------------------


def test_a_count_has_its_defaults(kpi):
    assert kpi("{kind: count, of: order.placed}") == MeasureKpi(
        kind="count",
        name="k",
        unit="orders",
        better="neither",
        by=(),
        windows=(Span("1h", 3_600_000), Span("24h", 86_400_000)),
        grain=Span("1h", 3_600_000),
        of=Term(moments=("order.placed",)),
    )


def test_a_sum_and_a_mean_are_of_a_field(kpi):
    total = kpi("{kind: sum, of: order.placed, field: amount}")
    assert (total.of, total.unit) == (Term(moments=("order.placed",), field="amount"), "money")
    items = kpi("{kind: mean, of: order.placed, field: items.quantity}")
    assert (items.of.field, items.unit) == ("items.quantity", "items")
    assert kpi("{kind: mean, of: ticket.rated, field: score}").unit == "score"


def test_a_ratio_keeps_its_two_sides(kpi):
    ratio = kpi("{kind: ratio, of: order.payment_failed, per: [order.payment_failed, order.paid]}")
    assert ratio.of == Term(moments=("order.payment_failed",))
    assert ratio.per == Term(moments=("order.payment_failed", "order.paid"))
    assert ratio.unit == "ratio"


def test_a_term_may_count_first_occurrences(kpi):
    ratio = kpi(
        "{kind: ratio, of: {first: first_answer, entity: ticket, from: ticket.opened, within: 4h},"
        " per: {first: delivery.delivered, entity: order, promise: given}}"
    )
    assert ratio.of == Term(
        moments=("first_answer",), first=True, entity="ticket", since="ticket.opened", within=14_400_000
    )
    assert ratio.per == Term(moments=("delivery.delivered",), first=True, entity="order", promise="given")


def test_a_duration_has_ascending_quantiles(kpi):
    duration = kpi(
        "{kind: duration, entity: order, from: order.placed, to: [delivery.delivered, delivery.returned],"
        " quantiles: [0.9, 0.5], goal: {max: 48h}}"
    )
    assert isinstance(duration, DurationKpi)
    assert (duration.start, duration.end) == (("order.placed",), ("delivery.delivered", "delivery.returned"))
    assert (duration.quantiles, duration.goal_max, duration.unit) == ((0.5, 0.9), 172_800.0, "seconds")


def test_a_level_may_be_overdue(kpi):
    level = kpi("{kind: level, entity: ticket, from: ticket.opened, until: ticket.resolved, again: ticket.reopened}")
    assert isinstance(level, LevelKpi)
    assert (level.until, level.again, level.overdue) == (("ticket.resolved",), ("ticket.reopened",), None)
    assert level.unit == "tickets"
    late = "{kind: level, entity: order, from: order.placed, until: order.cancelled, overdue: %s}"
    assert kpi(late % "promise").overdue == "promise"
    assert kpi(late % "48h").overdue == 172_800_000


def test_slices_are_one_or_two_dimensions_in_the_order_they_are_declared(kpi):
    assert kpi("{kind: count, of: order.placed, by: [carrier, [carrier, region]]}").by == (
        ("carrier",),
        ("region", "carrier"),
    )
    assert kpi("{kind: count, of: order.placed, by: region}").by == (("region",),)


@pytest.mark.parametrize(
    ("text", "message"),
    cases(
        r"""
{of: order.placed}
    : 'kind' is missing (one of count, sum, mean, ratio, duration, level)
{kind: counts, of: order.placed}
    kind: 'counts' is unknown (did you mean 'count'?)
{kind: count}
    : 'of' is missing
{kind: count, of: []}
    of: 0 entries (expected at least 1)
{kind: count, of: order.placd}
    of: unknown moment 'order.placd' (did you mean 'order.placed'?)
{kind: count, of: source.heartbeat}
    of: unknown moment 'source.heartbeat'
{kind: count, of: [order.paid, order.paid]}
    of[1]: 'order.paid' is there twice
{kind: count, of: order.placed, field: amount}
    field: not for a KPI of kind count (only sum, mean)
{kind: count, of: order.placed, wibble: 1}
    wibble: unknown key (known: better, by, description, goal, grain, kind, of, unit, windows)
{kind: count, of: order.placed, better: up}
    better: 'up' is unknown (expected one of higher, lower, neither)
{kind: count, of: order.placed, by: [chanel]}
    by[0]: unknown dimension 'chanel' (known: carrier, region)
{kind: count, of: order.placed, by: [[region, region]]}
    by[0][1]: 'region' is there twice
{kind: count, of: order.placed, by: [region, region]}
    by[1]: 'region' is there twice
{kind: count, of: order.placed, by: [[region, carrier], [carrier, region]]}
    by[1]: a list is there twice
{kind: count, of: order.placed, grain: 15s}
    grain: '15s' is not a multiple of time.pane (10s)
{kind: count, of: order.placed, grain: 7h}
    grain: a day is not a whole number of '7h' (expected like 15m, 1h, 6h)
{kind: count, of: order.placed, grain: 36h}
    grain: '36h' is not a whole number of days (expected like 1d, 1w)
{kind: count, of: order.placed, grain: 2w}
    grain: '2w' is out of range (expected at most 1w)
{kind: count, of: order.placed, windows: [1h, 15s]}
    windows[1]: '15s' is not a multiple of time.pane (10s)
{kind: count, of: order.placed, windows: [1h, 60m]}
    windows[0]: '1h' is as long as another window
{kind: count, of: order.placed, goal: {min: 5, max: 1}}
    goal: min 5 is more than max 1
{kind: count, of: order.placed, goal: {least: 5}}
    goal.least: unknown key (known: max, min)
{kind: count, of: order.placed, goal: {min: many}}
    goal.min: 'many' is not a number (expected like 0.95)
{kind: count, of: order.placed, goal: {}}
    goal: expected 'min', 'max' or both
{kind: ratio, of: order.paid, per: order.placed, goal: {min: 95}}
    goal.min: 95 is no ratio from 0 to 1 (95 % is 0.95)
{kind: ratio, of: order.paid, per: order.placed, unit: percent}
    unit: 'percent' is unknown (expected one of ratio)
{kind: ratio, of: order.paid}
    : 'per' is missing
{kind: sum, of: order.placed, field: amout}
    field: order.placed has no number 'amout' (did you mean 'amount'?)
{kind: sum, of: [order.placed, order.packed], field: amount}
    field: order.packed has no number 'amount'
{kind: mean, of: {first: ticket.rated, entity: ticket}, field: score}
    of: a mean needs moments here; 'first' only counts
{kind: count, of: {first: order.paid}}
    of: 'entity' is missing
{kind: count, of: {first: order.paid, entity: basket}}
    of.entity: 'basket' is unknown (expected one of order, delivery, ticket)
{kind: count, of: {first: order.paid, entity: ticket}}
    of.first: a ticket does not see order.paid (only an order sees all of its events)
{kind: count, of: {first: first_answer, entity: ticket, from: order.placed}}
    of.from: a ticket does not see order.placed (only an order sees all of its events)
{kind: count, of: {first: first_answer, entity: ticket, promise: kept}}
    of.promise: a ticket is promised for no time (only an order or a delivery is)
{kind: count, of: {first: first_answer, entity: ticket, within: 4h}}
    of.within: needs 'from', the moment it is counted from
{kind: count, of: {first: order.paid, entity: order, from: order.paid}}
    of.from: is the moment itself
{kind: count, of: {all: order.paid, first: order.paid, entity: order}}
    of.all: unknown key (known: entity, first, from, promise, within)
{kind: duration, entity: delivery, from: order.placed, to: delivery.delivered}
    from: a delivery does not see order.placed (only an order sees all of its events)
{kind: duration, entity: order, from: order.placed, to: order.placed}
    to: the end is a moment it starts at
{kind: duration, entity: order, from: order.placed, to: order.paid, quantiles: [50]}
    quantiles[0]: 50 is not between 0 and 1 (the median is 0.5)
{kind: duration, entity: order, from: order.placed, to: order.paid, quantiles: [0]}
    quantiles[0]: 0 is not between 0 and 1 (the median is 0.5)
{kind: level, entity: order, from: order.placed, until: order.placed}
    until: a moment cannot both let in and let out
{kind: level, entity: order, from: order.placed, until: order.paid, overdue: soon}
    overdue: 'soon' is neither 'promise' nor a duration (like 48h)
{kind: level, entity: ticket, from: ticket.opened, until: ticket.resolved, overdue: promise}
    overdue: a ticket is promised for no time (only an order or a delivery is)
~
    : is empty
5
    : '5' where 'key: value' lines are expected
"""
    ),
)
def test_a_wrong_kpi_is_told_in_one_line(kpi_mistake, text, message):
    assert kpi_mistake(text).startswith(message)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("kpi_expected", "begin with daybook_kpi_"),
        ("kpi_surprise", "begin with daybook_kpi_"),
        ("events_total", "begin with daybook_events_"),
        ("events", "the metric daybook_events is Daybook's own"),
        ("orders_total", "end in _total"),
        ("orders_bucket", "end in _bucket"),
        ("Orders", "cannot name a KPI"),
        ("orders-placed", "cannot name a KPI"),
    ],
)
def test_a_kpi_cannot_take_the_name_of_another_metric(mistakes, name, reason):
    (line,) = mistakes(f"kpis:\n  {name}: {{kind: count, of: order.placed}}")
    assert line.startswith(f"daybook.yaml:2: kpis.{name}: ")
    assert reason in line


def test_no_kpi_can_take_the_name_of_a_metric_there_is(mistakes):
    registry = CollectorRegistry()
    Metrics(registry, ())
    own = {family.name.removeprefix("daybook_") for family in registry.collect()}
    for name in own - {name for name in own if name.startswith(("process_", "python_"))}:
        assert len(mistakes(f"kpis: {{{name}: {{kind: count, of: order.placed}}}}")) == 1


def test_two_kpis_cannot_share_one_metric(mistakes):
    duration = "{kind: duration, entity: order, from: order.placed, to: order.paid}"
    assert mistakes(f"kpis:\n  wait: {duration}\n  wait_seconds: {duration}") == [
        "daybook.yaml:3: kpis.wait_seconds: its metric would have the name of that of wait"
    ]


# -- what the core is given ------------------------------------------------------------------------


def test_the_definitions_hold_every_event_type_and_the_named_moments(load):
    definitions = load(f"{WATCHED}  k: {{kind: count, of: order.placed}}").definitions()
    assert list(definitions.moments) == [*TYPE_NAMES, "first_answer"]
    assert definitions.moments["order.placed"] == Moment("order.placed", "order.placed")
    assert definitions.moments["first_answer"] == Moment("first_answer", "ticket.replied", {"by": ("agent",)})
    assert (definitions.pane_ms, definitions.allowed_lateness_ms, definitions.week_starts) == (
        10_000,
        900_000,
        0,
    )
    assert (definitions.keep_ended_ms, definitions.keep_open_ms) == (30 * 86_400_000, 400 * 86_400_000)


def test_another_namespace_changes_nothing_else(load):
    config = load("namespace: shop")
    replayed = config.with_(namespace="shop-replay")
    assert replayed.namespace == "shop-replay"
    assert replayed.with_(namespace="shop") == config
    with pytest.raises(ConfigError, match="cannot begin a topic's name"):
        config.with_(namespace="a/b")


def test_sets_of_moments_are_counted_once(load):
    kpis = load(
        WATCHED
        + "  a: {kind: ratio, of: order.paid, per: [order.paid, order.payment_failed]}\n"
        + "  b: {kind: ratio, of: order.paid, per: [order.payment_failed, order.paid]}\n"
        + "  c: {kind: duration, entity: order, from: order.paid, to: order.packed}\n"
    ).kpis
    assert moment_sets(kpis) == {
        frozenset({"order.paid"}),
        frozenset({"order.paid", "order.payment_failed"}),
        frozenset({"order.packed"}),
    }


def test_the_fields_of_every_event_type_are_known():
    assert fields_of("order.placed").texts == {"currency": None, "channel": None, "region": None}
    assert fields_of("order.placed").numbers == ("amount", "items.count", "items.quantity")
    assert fields_of("ticket.rated").numbers == ("score",)
    assert set(fields_of("ticket.replied").texts["by"]) == {"agent", "bot", "customer"}
    for name in TYPE_NAMES:
        assert not any(field.endswith("_id") for field in fields_of(name).texts)


def test_an_order_sees_all_and_the_others_their_own():
    assert all(sees("order", name) for name in TYPE_NAMES)
    assert [name for name in TYPE_NAMES if sees("delivery", name)] == [
        name for name in TYPE_NAMES if name.startswith("delivery.")
    ]
    assert not sees("ticket", "order.placed")


@pytest.mark.parametrize(("q", "name"), [(0.5, "p50"), (0.9, "p90"), (0.29, "p29"), (0.999, "p99_9")])
def test_a_quantile_has_a_name(q, name):
    assert stat_name(q) == name


# -- whatever stands in the file -------------------------------------------------------------------

_LINES = [line for line in PACKAGED.read_text().splitlines() if line.strip() and not line.strip().startswith("#")]
_SNIPPETS = [
    "[",
    "]",
    "{",
    "}",
    ":",
    "- ",
    "~",
    "true",
    "1e3",
    "*a",
    "&a ",
    "!!x ",
    "<<: ",
    "'",
    '"',
    "\t",
    "#",
    "|",
    "%",
]
_ONE_LINE = re.compile(r"c\.yaml(:\d+)?: \S.*")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), edits=st.integers(1, 5))
def test_a_broken_file_gives_lines_with_places_and_nothing_else(tmp_path, monkeypatch, seed, edits):
    monkeypatch.chdir(tmp_path)
    dice = random.Random(seed)
    lines = _LINES.copy()
    for _ in range(edits):
        place = dice.randrange(len(lines))
        column = dice.randrange(len(lines[place]) + 1)
        lines[place] = lines[place][:column] + dice.choice(_SNIPPETS) + lines[place][column:]
        if dice.random() < 0.5:
            del lines[dice.randrange(len(lines))]
    Path("c.yaml").write_text("\n".join(lines))
    told = ""
    try:
        load_config(Path("c.yaml"), {})
    except ConfigError as error:
        told = str(error)
    assert all(_ONE_LINE.fullmatch(line) for line in told.splitlines())


def test_grafana_is_read_and_the_environment_may_say_where_it_is(load):
    found = load("grafana: {url: 'https://ops.example.org/grafana/', token_env: KEY, datasource: Main}").grafana
    assert found == Grafana(url="https://ops.example.org/grafana", token_env="KEY", datasource="Main")
    assert load("namespace: x", DAYBOOK_GRAFANA="http://10.0.0.5:3000").grafana.url == "http://10.0.0.5:3000"


@pytest.mark.parametrize(
    "url", ["grafana:3000", "http://ada:s3cr3t@grafana", "http://grafana/?orgId=1", "http://grafana/#x"]
)
def test_an_address_of_grafana_that_cannot_be_is_not_repeated(mistakes, url):
    (told,) = mistakes(f"grafana: {{url: '{url}'}}")
    assert told.endswith("grafana.url: is no address (expected like http://127.0.0.1:3000, without user, ? and #)")
    assert "s3cr3t" not in told
