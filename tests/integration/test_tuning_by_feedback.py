"""``daybook tune --labels feedback``: what teams said of incidents, as their topics on a broker have it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from detectors.incidents.feedback import Feedback
from detectors.incidents.incident import Incident
from streams.cli import cli
from streams.config import Config
from streams.runtime.incidents import read_feedback
from streams.runtime.producer import open_producer
from streams.runtime.topics import TopicNames, create_topics
from tests.support.incidents import incident, symptom
from tests.support.judging import MONDAY
from tests.support.shop import HOUR
from tests.support.tuning import WEEK, replayed

KPI = "orders_placed"
WEEKS = range(4, 20)
MISSED, UNSAID, FALSE = 17, 18, 19


def told(week: int, after: int = 34) -> Incident:
    since = MONDAY + (week * WEEK + after) * HOUR
    until = since + 10 * HOUR
    return incident(f"w-{week}-{after}", since=since, until=until, symptoms=(symptom(KPI, since=since, until=until),))


def said(about: Incident, what: str) -> Feedback:
    at = about.until + HOUR
    return Feedback(id=f"{what}-{about.id}", at=at, by="ada", what=what, incident=about.id, kpis=(KPI,))  # type: ignore[arg-type]


def publish(config: Config) -> None:
    """An outage each week, of which all but three were told and confirmed; a false alarm two days after the last."""
    create_topics(config)
    names, producer = TopicNames(config.namespace), open_producer(config)
    confirmed = [told(week) for week in WEEKS if week not in (MISSED, UNSAID)]
    alarm = told(FALSE, after=100)
    for one in (*confirmed, told(UNSAID), alarm):
        producer.send(names.incidents, key=one.id.encode(), value=one.encode())
    once = told(MISSED)
    missed = Feedback(id="m", at=once.until, by="bo", what="missed", kpis=(KPI,), since=once.since, until=once.until)
    wrong = said(confirmed[0], "false_alarm")
    for feedback in (wrong, *(said(one, "confirmed") for one in confirmed), said(alarm, "false_alarm"), missed):
        producer.send(names.feedback, key=feedback.id.encode(), value=feedback.encode())
    producer.send(names.feedback, key=b"x", value=b"not feedback")
    producer.close()


def test_what_teams_said_is_what_is_to_be_found(config: Config, tmp_path: Path) -> None:
    publish(config)
    assert len(read_feedback(config)) == len(read_feedback(config)) == 17, "reading leaves it as it is"
    argv = ["tune", "--kpi", KPI, "--labels", "feedback", "--trials", "2", "--from", str(replayed(tmp_path / "year"))]
    environment = {
        "DAYBOOK_BOOTSTRAP": config.kafka.bootstrap,
        "DAYBOOK_NAMESPACE": config.namespace,
        "DAYBOOK_DATA_DIR": str(config.data_dir),
    }
    result = CliRunner(env=environment).invoke(cli, argv)
    assert result.exit_code == 0, result.output
    output = " ".join(result.output.split())
    assert "by what was said to be wrong (15 times)" in output, "the unsaid is none, the false alarm is none"
    assert "as it is 100% of 4 100%" in output, "what was said last of the first holds, and the last but one is neither"


def test_a_broker_that_is_not_there_is_told_in_a_line(tmp_path: Path) -> None:
    argv = ["tune", "--kpi", KPI, "--labels", "feedback", "--from", str(tmp_path)]
    result = CliRunner(env={"DAYBOOK_BOOTSTRAP": "127.0.0.1:9", "DAYBOOK_DATA_DIR": str(tmp_path)}).invoke(cli, argv)
    assert result.exit_code != 0
    assert "127.0.0.1:9" in result.output
    assert "Traceback" not in result.output
