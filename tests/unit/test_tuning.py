"""Tuning: how good alerts were, which settings are better, and that nothing is adopted that is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from detectors.tuning.agreement import fitted
from detectors.tuning.choice import BACK, verdict, worth
from detectors.tuning.course import Beside, Label, Score, alerts_of, judged, score, together
from detectors.tuning.trouble import HELD_OUT, SEEN, troubled
from detectors.watch.settings import DEFAULT, Settings, shares
from streams.cli import cli
from streams.config import load_config
from streams.events.codec import encode
from streams.history.archive.layout import Log
from streams.history.archive.writer import Writer
from streams.history.lookback.unlearn import entry_of
from streams.history.tuning.material import TuningError, labels_in, labels_of, written_values
from streams.history.tuning.parts import COPIES, prepared
from streams.history.tuning.search import tune
from tests.support.judging import MONDAY, final
from tests.support.shop import HOUR
from tests.support.tuning import CONFIG, KPI, OUTAGES, SHARE, WEEK, at, history, hours, orders, replayed


def test_an_alert_within_a_label_finds_it_and_one_beside_is_false() -> None:
    labels = [hours(10, 20), hours(100, 110), hours(300, 310)]
    found = score(at(13, 14, 60, 200), labels, MONDAY, MONDAY + 250 * HOUR)
    assert (found.labels, found.found, found.delays) == (2, {0}, (3.0,))
    assert found.false == 1, "what comes within two days of a label is neither; 13 and 14 are one"
    assert found.recall == 0.5
    assert found.precision == 0.5
    assert found.weeks == pytest.approx((250 - 2 * (10 + 48)) / WEEK), "of those in which one can be false"


def test_what_is_told_soon_after_the_end_is_still_about_it() -> None:
    labels = [hours(10, 20)]
    assert score(at(25), labels, MONDAY, MONDAY + WEEK * HOUR).found == {0}
    assert score(at(27), labels, MONDAY, MONDAY + WEEK * HOUR).found == set()


def of(found: set[int], false: int, labels: int = 40, delay: float = 2.0) -> Score:
    return Score(labels, frozenset(found), (delay,) * len(found), false, 20.0)


def test_more_found_is_better_once_it_is_more_than_chance() -> None:
    assert verdict(of(set(range(10)), 2), of(set(range(20)), 3)).better
    assert not verdict(of(set(range(10)), 2), of(set(range(11)), 2)).better
    assert not verdict(of(set(range(10)), 2), of(set(range(10)), 2)).better


def test_copies_of_the_same_time_are_one_as_to_false_alarms() -> None:
    once, again = of({0, 1}, 6, 4), of({3}, 5, 4)
    both = together([once, again])
    assert (both.labels, both.found, both.false, both.weeks, both.copies) == (8, {0, 1, 7}, 11, 40.0, 2)
    assert both.false_a_week == pytest.approx(11 / 40)
    few, many = of(set(range(9)), 0), of(set(range(9)), 4)
    assert verdict(many, few).better
    assert not verdict(together([many._replace(false=2)] * 2), together([few] * 2)).better


def test_less_proof_does_for_going_back_to_the_default() -> None:
    today, default = of(set(range(7)), 0), of(set(range(9)), 0)
    assert not verdict(today, default).better
    assert verdict(today, default, BACK).better
    assert not verdict(default, today, BACK).better
    assert not verdict(today, of({*range(1, 8)}, 0), BACK).better, "as much is no more"


def test_what_is_false_too_often_has_lost_and_what_is_missed_then_is_its_price() -> None:
    loud, quiet = of(set(range(38)), 30), of(set(range(30)), 5)
    assert verdict(loud, quiet).better
    assert not verdict(of(set(range(38)), 5), of(set(range(30)), 0)).better, "5 in 20 weeks are allowed"
    assert not verdict(loud, of(set(range(38)), 30)).better


def test_fewer_false_alarms_are_better_where_nothing_is_lost_by_them() -> None:
    assert verdict(of(set(range(10)), 15), of(set(range(10)), 3)).better
    assert not verdict(of(set(range(10)), 3), of(set(range(10)), 2)).better
    assert not verdict(of(set(range(30)), 15), of(set(range(2)), 3)).better


def test_false_alarms_that_are_not_allowed_cost_as_much_as_they_are_beyond() -> None:
    assert worth(of({0}, 5)) > worth(of({0}, 10))
    assert worth(of(set(range(20)), 20)) < worth(of(set(range(10)), 4))


def often(rate: float | None) -> Settings:
    return Settings(per_week=rate)


def test_what_is_set_at_once_leaves_the_others_half_an_equal_share() -> None:
    kpis = ["a", "b", "c", "d"]
    assert fitted({"a": often(2.5)}, kpis, 4.0, {}) == {"a": often(2.5)}
    assert fitted({"a": often(2.0), "b": often(2.0)}, kpis, 4.0, {}) == {"a": often(1.5), "b": often(1.5)}
    assert fitted({"a": often(3.0), "b": often(None)}, kpis, 4.0, {}) == {"a": often(2.5), "b": often(None)}
    found = fitted({"a": often(3.0)}, kpis, 4.0, {"b": often(3.4)})
    assert found["a"].per_week == pytest.approx(0.2), "an equal part of what b leaves"
    assert shares(kpis, 4.0, {"b": often(3.4), **found})["c"] == pytest.approx(0.2)
    everything = {name: often(2.0) for name in kpis}
    assert fitted(everything, kpis, 4.0, {}) == everything, "nobody is left to be told less of"
    with pytest.raises(ValueError, match="nothing of 4 a week is left"):
        fitted({"a": often(1.0)}, kpis, 4.0, {"b": often(4.0)})


def test_trouble_is_put_where_the_labels_say_and_nowhere_else() -> None:
    values = orders(20)
    since = values[4 * WEEK].start
    changed, labels = troubled(KPI, values, since, (*SEEN, *HELD_OUT), 7)
    assert {one.what for one in labels} == {*SEEN, *HELD_OUT}
    assert min(one.since for one in labels) >= since
    for before, after in zip(values, changed, strict=True):
        inside = any(one.since <= before.start < one.until for one in labels)
        assert inside or before == after
        assert (after.value or 0.0) >= 0.0
    assert sum(before != after for before, after in zip(values, changed, strict=True)) > len(labels)
    with pytest.raises(ValueError, match="too short to put one of each"):
        troubled(KPI, values[: 6 * WEEK], since, (*SEEN, *HELD_OUT), 7)


def test_settings_that_find_nothing_are_replaced_by_some_that_do() -> None:
    deaf = Settings(least_cases=1e6)
    found = tune(history(orders(30, mean=100.0)), deaf, SHARE, trials=12, seed=3)
    assert found.invented
    assert found.today.reported.recall == 0.0
    assert found.default.reported.recall > 0.4
    assert found.verdict.better
    assert found.proposed.reported.recall >= 0.4
    assert found.proposed.held_out is not None
    assert found.proposed.held_out.recall > found.today.held_out.recall  # type: ignore[union-attr]
    assert worth(found.proposed.reported) >= worth(found.default.reported)


def test_what_people_said_is_what_is_found() -> None:
    values, labels = orders(20), []
    for first in (week * WEEK + 34 + more for week in range(4, 20) for more in (0, 72)):
        labels.append(hours(first, first + 10))
        for hour in range(first, first + 10):
            values[hour] = final("orders_placed", hour, 0.0)
    found = tune(history(values, labels), DEFAULT, SHARE, trials=4, seed=1)
    assert (found.said, found.invented) == (32, 0)
    assert found.today.held_out is None
    assert found.today.reported.labels == 10
    assert found.today.reported.recall == 1.0
    assert not found.verdict.better, "there is nothing to gain"


def test_the_same_seed_gives_the_same() -> None:
    once, again = (tune(history(orders(16)), DEFAULT, SHARE, trials=6, seed=2, processes=1) for _ in range(2))
    assert once == again


def test_too_little_history_is_said_with_what_is_needed() -> None:
    with pytest.raises(TuningError, match=r"5\.0 weeks of history are too short"):
        tune(history(orders(5)), DEFAULT, SHARE, trials=2)
    with pytest.raises(TuningError, match="no label lies in the part"):
        tune(history(orders(9), [hours(10, 20)]), DEFAULT, SHARE, trials=2)


def test_labels_too_few_to_prove_anything_have_trouble_put_beside_them() -> None:
    values, said = orders(30), [hours(week * WEEK + 34, week * WEEK + 44) for week in (7, 9, 28)]
    found, parts, told, copies = prepared(history(values, said), 1)
    assert (told, len(found.invented)) == (3, len(found.labels) - 3)
    assert len({tuple(one.invented) for one in (found, *copies)}) == COPIES
    assert all(one.values[: 12 * WEEK] == found.values[: 12 * WEEK] for one in copies)
    assert all(one.labels == one.invented for one in copies), "what was said counts once"
    assert {*said} < {*found.labels}
    assert all(any(part[0] <= one.since < part[1] for one in found.labels) for part in (parts[:2], parts[1:]))
    for one in found.labels:
        assert one in said or all(one.until <= other.since or other.until <= one.since for other in said)
    enough = [hours(week * WEEK + 34, week * WEEK + 44) for week in range(4, 40)]
    assert prepared(history(orders(40), enough), 1)[2:] == (36, [])


def test_what_was_said_to_be_wrong_alarm_or_nothing_decides_what_an_alert_is() -> None:
    labels, beside = [hours(10, 20)], Beside(false=[hours(22, 30)], unsaid=[hours(200, 210)])
    told = judged(at(12, 28, 29, 205, 400), labels, MONDAY, MONDAY + 500 * HOUR, beside)
    assert [what for _, what in told] == ["found", "false", "again", "neither", "false"]
    assert score(at(12, 28, 29, 205, 400), labels, MONDAY, MONDAY + 500 * HOUR, beside=beside).false == 2
    assert score(at(12, 28, 29), labels, MONDAY, MONDAY + 500 * HOUR).false == 0, "so soon after it may be about it"


def test_labels_are_read_with_the_line_of_each_mistake(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"

    def read(kpi: str) -> list[Label]:
        return labels_of(path, labels_in(path, ["revenue"]), kpi, MONDAY, MONDAY + WEEK * HOUR)

    def wrong(text: str, message: str) -> None:
        path.write_text(text)
        with pytest.raises(TuningError, match=message):
            read("revenue")

    head = "since,until,kpi,what\n"
    wrong("from,to\n", "labels.csv:1: expected the columns")
    wrong(head + "yesterday,2024-01-02T00:00:00Z,,\n", "labels.csv:2: since: ")
    wrong(head + "2024-01-02T00:00:00Z,2024-01-01T00:00:00Z,,\n", "labels.csv:2: it ends before it begins")
    wrong(head + "2024-01-02T00:00:00Z,2024-01-02T09:00:00Z,revenues,\n", "labels.csv:2: there is no KPI 'revenues'")
    wrong(head + "2025-01-02T00:00:00Z,2025-01-02T09:00:00Z,,\n", "labels.csv:2: lies outside of the history")
    till, all_day = "2024-01-02T00:00:00Z,2024-01-02T09:00:00+01:00", "2024-01-03T00:00:00Z,2024-01-04T00:00:00Z"
    path.write_text(f"{head}{all_day},,\n{till},revenue,till\n")
    assert [one.what for one in read("revenue")] == ["till", ""]
    assert read("orders_placed") == [hours(48, 72)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return replayed(tmp_path / "year")


def test_what_a_replay_wrote_is_read_as_it_was(folder: Path) -> None:
    (values,) = written_values(CONFIG, folder, ["orders_placed"]).values()
    assert len(values) == 20 * WEEK
    assert values[:30] == orders(20)[:30]
    assert len(alerts_of(history(values), DEFAULT, SHARE)) >= 10
    with pytest.raises(TuningError, match="is no folder that daybook replay --out wrote"):
        written_values(CONFIG, folder / "kpis", ["orders_placed"])


def test_what_wins_is_written_with_a_comment_and_what_does_not_is_not(folder: Path, tmp_path: Path) -> None:
    config, labels = tmp_path / "shop.yaml", tmp_path / "labels.csv"
    config.write_text("# ours\nalerts:\n  per_week: 3\n  kpis:\n    orders_placed: { least_change: 2.0 } # quiet!\n")
    labels.write_text("since,until\n" + "\n".join(OUTAGES) + "\n")
    argv = ["--config", str(config), "tune", "--kpi", "orders_placed", "--from", str(folder), "--trials", "12"]
    before = config.read_text()
    told = CliRunner().invoke(cli, [*argv, "--labels", str(labels)])
    assert told.exit_code == 0, told.output
    assert config.read_text() == before, "without --apply nothing is changed"
    assert "proposed" in told.output
    told = CliRunner().invoke(cli, [*argv, "--labels", str(labels), "--apply"])
    assert told.exit_code == 0, told.output
    assert "better: finds" in told.output
    assert "# ours" in config.read_text()
    assert "tuned on 2024-01-01 to 2024-05-20: recall 0% -> " in config.read_text()
    assert load_config(config, {}).alerts.kpis["orders_placed"].least_change < 1.0


def test_what_the_archived_calendar_announced_is_known(folder: Path, tmp_path: Path) -> None:
    config, labels = tmp_path / "shop.yaml", tmp_path / "labels.csv"
    config.write_text(f"archive: {{ folder: {tmp_path / 'archive'} }}\n")
    labels.write_text("since,until\n" + "\n".join(OUTAGES) + "\n")
    argv = ["--config", str(config), "tune", "--kpi", "orders_placed", "--from", str(folder), "--trials", "2"]

    def recall() -> int:
        told = CliRunner().invoke(cli, [*argv, "--labels", str(labels)])
        (found,) = re.findall(r"as it is +(\d+)% of \d+", told.output)
        return int(found)

    assert recall() >= 30
    since, until = MONDAY, MONDAY + 20 * WEEK * HOUR
    entry = entry_of(since, until, {}, "Moving house", since)
    writer = Writer(tmp_path / "archive" / "daybook", most_bytes=1_000_000)
    writer.add(Log("calendar", 0, "20240101T000000"), [(0, since, entry.subject.encode(), encode(entry))])
    writer.flush()
    assert recall() == 0, "nobody is told during an outage that was announced"


def test_mistakes_are_told_in_a_line(folder: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(cli, ["tune", "--kpi", "orders", "--from", str(folder)])
    assert told.exit_code == 2
    assert "--kpi orders: no such KPI" in told.output
    told = CliRunner().invoke(cli, ["tune", "--kpi", "revenue", "--from", str(folder)])
    assert told.exit_code == 2
    assert "revenue: there is no value of it in that time" in told.output
