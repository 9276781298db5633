"""The benchmarks' arithmetic, and the page they write."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.config import load_config
from tests.benchmarks import environments, report
from tests.benchmarks.errors import BenchmarkError
from tests.benchmarks.figures import Reading, median, percentile, quantity, rate_between, table
from tests.benchmarks.laboratory import DEFAULTS, Sent
from tests.benchmarks.marketplace import ORDERS, recording
from tests.benchmarks.peers import PEERS, job
from tests.benchmarks.peers.job import Job, Order, Row, Sums, Told, arguments, order_of
from tests.benchmarks.scaling import Case, cases
from tests.benchmarks.throughput import PeerRun, Run, Throughput, fault_of, same_job


def test_a_rate_runs_from_the_first_reading_with_events_to_the_total() -> None:
    readings = [Reading(0.0, 0), Reading(1.0, 100), Reading(2.0, 600), Reading(3.0, 1100), Reading(4.0, 1100)]
    rate = rate_between(readings, 1100)
    assert (rate.events, rate.seconds, rate.per_second) == (1000, 2.0, 500.0)


@pytest.mark.parametrize("readings", [[Reading(0.0, 0)], [Reading(0.0, 5), Reading(1.0, 9)], [Reading(0.0, 10)]])
def test_a_rate_that_cannot_be_told_is_an_error(readings: list[Reading]) -> None:
    with pytest.raises(ValueError, match=r"never reached|too few"):
        rate_between(readings, 10)


def test_percentiles_are_nearest_ranks() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(values, share) for share in (0.0, 0.2, 0.5, 0.99, 1.0)] == [1, 1, 3, 5, 5]
    assert median([1.0, 2.0]) == 1.0


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (123456.0, "123,000"), (1.2345, "1.23"), (0.0123, "0.0123")])
def test_quantities_have_three_digits(value: float, text: str) -> None:
    assert quantity(value) == text


def test_tables_are_markdown_with_numbers_to_the_right() -> None:
    assert table(("what", "n"), [("a", 1), ("bc", 1000)]).splitlines() == [
        "| what |     n |",
        "| ---- | ----: |",
        "| a    |     1 |",
        "| bc   | 1,000 |",
    ]


def test_the_page_has_marks_for_every_part_and_only_a_part_is_replaced() -> None:
    page = report.PAGE.read_text()
    for part in report.PARTS:
        changed = report.put(part, "figures", page)
        assert changed.count("figures") == page.count("figures") + 1
        assert changed.split(f"<!-- {part}: begin -->")[0] == page.split(f"<!-- {part}: begin -->")[0]
    with pytest.raises(ValueError, match="no marks"):
        report.put("speed", "figures", page)


def test_every_case_compiles_and_has_the_series_it_says() -> None:
    for case in cases():
        found = case.definitions()
        assert len(found.kpis) == case.kpis
        assert {len(kpi.by) for kpi in found.kpis} == {case.dimensions}
        told = case.kpis * (1 + case.dimensions * case.values)
        assert abs(told - case.series) <= max(0.1 * case.series, case.kpis * case.dimensions)
    assert Case(1, 1, 100).values == 99


# -- Other engines ----------------------------------------------------------------------------------------------------

ORDER = b'{"type":"order.placed","time":"2026-01-31T12:03:59.500Z","id":"1","data":{"region":"north","amount":1250}}'
OTHER = b'{"type":"order.paid","time":"2026-01-31T12:04:00Z","data":{"order_id":"O1","amount":1250}}'
ROWS = [Row("north", "2026-01-31T12:03", 2, 30, 20), Row("south", "2026-01-31T12:03", 1, 5, 5)]


def test_orders_are_read_from_what_is_sent() -> None:
    order = order_of(ORDER)
    assert order == Order("north", "2026-01-31T12:03:59.500Z", 1250)
    assert order.minute == "2026-01-31T12:03"
    assert order_of(OTHER) is None
    records = list(recording(2_000, 1_700_000_000_000).records())
    placed = [record for record in records if order_of(record.value) is not None]
    assert {record.family for record in placed} == {ORDERS}
    assert sum(record.first for record in records) <= len(placed)


@pytest.mark.parametrize("count", [1, 19, 20, 21, 100])
def test_p95_is_a_nearest_rank(count: int) -> None:
    sums = Sums()
    for amount in reversed(range(count)):
        sums.add(amount)
    assert sums.p95() == percentile(list(range(count)), 0.95)


def test_sums_merged_are_the_sums_of_all() -> None:
    merged = Sums().add(1).add(2).merge(Sums().add(30))
    assert merged.row("north", "12:00") == Row("north", "12:00", 3, 33, 30)


def test_a_job_ends_with_the_event_that_is_enough() -> None:
    ours = Job(2, 60.0)
    assert ours.take(ORDER) is not None
    assert not ours.enough
    assert ours.take(OTHER) is None
    assert ours.enough
    assert ours.take(ORDER) is None
    assert (ours.events, ours.placed) == (2, 1)


def test_a_job_ends_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(job.time, "monotonic", lambda: now[0])
    ours = Job(1_000_000, 5.0)
    ours.take(OTHER)
    now[0] = 6.0
    for _ in range(1_000):
        ours.take(OTHER)
    assert ours.enough
    assert ours.events < 1_000


def test_a_job_tells_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = Job(10, 60.0)
    ours.take(ORDER)
    ours.tell(reversed(ROWS), tmp_path)
    told = msgspec.json.decode(capsys.readouterr().out, type=Told)
    assert (told.events, told.placed, told.counted) == (1, 1, 3)
    assert told.memory > 1
    assert [Row(*row) for row in json.loads((tmp_path / job.RESULT).read_text())] == ROWS


def test_all_engines_have_one_shape_of_command_line(tmp_path: Path) -> None:
    given = ["127.0.0.1:9092", "a,b", "group", str(tmp_path / "made"), "100", "2.5"]
    for peer in PEERS:
        _, dash, module, *words = peer.argv(None, *given)
        assert (dash, module) == ("-m", f"tests.benchmarks.peers.{peer.module}")
        assert arguments(words).topics == ["a", "b"]
        assert arguments(words).variant == (peer.variant or "")
        assert (tmp_path / "made").is_dir()


def test_what_peers_need_is_pinned_with_the_msgspec_we_use() -> None:
    for peer in PEERS:
        assert re.fullmatch(r"[0-9.]+", peer.version)
        if peer.requirements is None:
            continue
        lines = [line for line in peer.requirements.read_text().splitlines() if not line.startswith("#")]
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
        assert f"msgspec=={msgspec.__version__}" in lines


def test_an_environment_that_cannot_be_installed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = tmp_path / "some.txt"
    wanted.write_text("some==1\n")
    monkeypatch.setattr(environments.sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(BenchmarkError, match=r"some\.txt could not be installed: .*no-python"):
        environments.python_of(wanted, tmp_path)
    output = "Collecting some\nERROR: no version\nERROR: No matching distribution found for some==1\n\n[notice] more"
    assert environments.reason(output) == "No matching distribution found for some==1"
    assert environments.reason("") == "no reason given"


def sent(records: int = 10) -> Sent:
    return Sent(events=10, records=records, bytes=1000, orders=3, seconds=1.0, rows=ROWS)


@pytest.mark.parametrize(
    ("told", "rows", "fault"),
    [
        ({}, ROWS, None),
        ({"events": 5, "placed": 2, "counted": 2}, ROWS[:1], None),
        ({"events": 0}, [], "read nothing"),
        ({"placed": 4}, ROWS, "took 4 orders and counts 3"),
        ({"events": 5, "placed": 3}, ROWS[:1], "took 3 orders and counts 2"),
        ({"placed": 2, "counted": 2}, ROWS[:1], "counts 2 orders, sent were 3"),
        ({}, [ROWS[0]._replace(p95=10), ROWS[1]], "another sum or p95"),
    ],
)
def test_no_credit_for_work_not_done(told: dict[str, Any], rows: list[Row], fault: str | None) -> None:
    full = Told(**({"events": 10, "seconds": 1.0, "cpu": 1.0, "memory": 1.0, "placed": 3, "counted": 3} | told))
    found = fault_of(full, rows, sent())
    assert found is None if fault is None else fault in (found or "")


def test_the_same_job_is_a_configuration(tmp_path: Path) -> None:
    import yaml

    path = tmp_path / "daybook.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(DEFAULTS.read_text()) | same_job()))
    found = load_config(path, {}).definitions()
    assert {kpi.name for kpi in found.kpis} == {"orders_placed", "revenue", "time_to_pay"}
    assert {len(kpi.by) for kpi in found.kpis} == {1}


def _found(peers: dict[str, list[PeerRun]], missing: dict[str, str]) -> Throughput:
    def run(rate: float) -> Run:
        return Run(rate, 1.0, 1.0, 0.9, 0.1, 1e6 / rate, 300.0, 600)

    runs, same = [run(50_000.0), run(60_000.0)], [run(100_000.0), run(120_000.0)]
    return Throughput(sent(), runs, same, peers, missing, [{"fold": 0.6, "waiting": 0.4}])


def test_engines_stand_side_by_side_with_ratios_run_by_run() -> None:
    slow = [PeerRun(rate, 1.0, 10, 1.0, 1e6 / rate, 200.0) for rate in (10_000.0, 10_000.0)]
    fast = [PeerRun(rate, 1.0, 10, 1.0, 1e6 / rate, 400.0) for rate in (200_000.0, 200_000.0)]
    found = _found({"Bytewax": fast, "stock Faust": slow}, {"Quix Streams, windows": "no wheel"})
    assert [engine.name.split(" (")[0] for engine in report.engines(found)[2:]] == ["stock Faust", "Bytewax"]
    text = report.throughput(found)
    assert "Quix Streams, windows is missing: no wheel" in text
    assert re.search(r"stock Faust \(faust-streaming [\d.]+\): 10\.0 / 12\.0 by rate, 10\.0 / 12\.0 by proc", text)
    assert re.search(r"Bytewax \(bytewax [\d.]+\): 0\.500 / 0\.600 by rate", text)


def test_without_any_peer_there_is_still_a_page_and_a_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _found({}, {"Bytewax": "no wheel"})
    assert "Bytewax is missing: no wheel" in report.throughput(found)
    monkeypatch.setattr(report, "PLOT_ENGINES", tmp_path / "img" / "plot.png")
    report.plot_engines(found)
    assert (tmp_path / "img" / "plot.png").stat().st_size > 1_000
