"""An entry that is put on the calendar topic is there for whoever reads it, the last of an id in the end."""

from __future__ import annotations

from kafka import KafkaConsumer, TopicPartition

from detectors.calendar.business import BusinessCalendar
from detectors.calendar.occasions import occasion_of
from streams.config import Config
from streams.events.codec import decode_calendar
from streams.history.lookback.unlearn import entry_of
from streams.runtime.calendar import announce
from streams.runtime.topics import TopicNames, create_topics

HOUR = 3_600_000
SINCE = 1_772_409_600_000


def test_what_is_unlearned_is_in_the_calendar(config: Config) -> None:
    create_topics(config)
    for at in (SINCE + 9 * HOUR, SINCE + 10 * HOUR):
        announce(config, entry_of(SINCE, SINCE + 8 * HOUR, {"region": "north"}, "Not normal", at))
    partition = TopicPartition(TopicNames(config.namespace).calendar, 0)
    consumer = KafkaConsumer(bootstrap_servers=config.kafka.bootstrap.split(","), consumer_timeout_ms=10_000)
    consumer.assign([partition])
    consumer.seek_to_beginning()
    first, second = next(consumer), next(consumer)
    consumer.close()
    assert first.key == second.key
    calendar = BusinessCalendar("Europe/Berlin")
    calendar.put(occasion_of(decode_calendar(record.value).data) for record in (first, second))
    assert len(calendar.occasions("outage")) == 1
    assert not calendar.at(SINCE, SINCE + HOUR, {"region": "north"}).teaches
    assert calendar.at(SINCE, SINCE + HOUR, {"region": "south"}).teaches
    assert calendar.at(SINCE + 8 * HOUR, SINCE + 9 * HOUR, {"region": "north"}).teaches
