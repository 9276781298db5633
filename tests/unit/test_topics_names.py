"""Topic names under a namespace, and how each topic is kept."""

from __future__ import annotations

import pytest

from streams.config import load_config
from streams.errors import ConfigError
from streams.runtime.topics import TopicNames, topic_layout

NAMES = TopicNames("shop")


def test_names_are_the_namespace_the_family_and_the_version() -> None:
    assert NAMES.events == ("shop.orders.v1", "shop.deliveries.v1", "shop.support.v1")
    assert NAMES.state == "shop.state.v1"
    assert NAMES.dlq(NAMES.orders) == "shop.orders.v1.dlq"


def test_all_names_are_different_and_begin_with_the_namespace() -> None:
    names = [*NAMES.all, *NAMES.dead_letters]
    assert len(set(names)) == len(names) == 19
    assert all(name.startswith("shop.") for name in names)


def test_only_the_state_logs_have_no_dead_letters() -> None:
    without = {NAMES.dlq(topic) for topic in NAMES.all} - set(NAMES.dead_letters)
    assert without == {NAMES.dlq(topic) for topic in NAMES.state_logs}


@pytest.mark.parametrize("namespace", ["", "a b", "ümlaut", ".hidden", "x" * 201, "a/b", "a\n"])
def test_a_namespace_kafka_would_refuse_is_a_configuration_error(namespace: str) -> None:
    with pytest.raises(ConfigError, match=r"^namespace: "):
        TopicNames(namespace)


@pytest.mark.parametrize("namespace", ["daybook", "a", "0", "shop-7.test_x", "x" * 200])
def test_a_legal_namespace_gives_names_within_kafkas_249_characters(namespace: str) -> None:
    assert all(len(name) <= 249 for name in (*TopicNames(namespace).all, *TopicNames(namespace).dead_letters))


def test_the_layout_has_every_topic_and_the_co_partitioned_ones_alike() -> None:
    config = load_config(env={"DAYBOOK_NAMESPACE": "shop"})
    layout = topic_layout(config)
    assert set(layout) == {*NAMES.all, *NAMES.dead_letters}
    for topic in (*NAMES.events, NAMES.state):
        assert layout[topic]["num_partitions"] == config.kafka.partitions


def test_every_topic_takes_the_brokers_clock_so_that_retention_counts_from_arrival() -> None:
    layout = topic_layout(load_config(env={}))
    assert {topic["configs"]["message.timestamp.type"] for topic in layout.values()} == {"LogAppendTime"}


def test_what_must_not_be_lost_is_compacted_or_kept_for_ever() -> None:
    layout = topic_layout(load_config(env={"DAYBOOK_NAMESPACE": "shop"}))
    kept = {
        name: (topic["configs"]["cleanup.policy"], topic["configs"]["retention.ms"]) for name, topic in layout.items()
    }
    assert kept[NAMES.incidents][0] == kept[NAMES.calendar][0] == "compact"
    assert kept[NAMES.feedback] == ("delete", "-1")
    assert int(kept[NAMES.state][1]) <= int(kept[NAMES.orders][1])  # lost state is made anew from the events
