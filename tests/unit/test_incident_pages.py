"""What ``daybook incidents`` prints, and the worklist as other programs read it."""

from __future__ import annotations

import csv
import io

import pytest
from msgspec.structs import replace

from detectors.incidents.incident import Case
from streams.cli.incident_pages import COLUMNS, print_history, print_list, print_one, worklist_csv
from streams.config import load_config
from streams.runtime.incidents import IncidentError, feedback, find
from tests.support.incidents import T0, assessment, incident, then

CONFIG = load_config(env={})
CASES = (
    Case("O-1", ("T-7", "T-9"), "c1", 4_990, "late since Tuesday", T0, ("daybook.orders.v1/2/1042",)),
    Case(tickets=("T-8",), why="waits for an answer", since=T0),
    Case("=cmd()", (), "@c", 100, "+1", T0),
)


def test_a_worklist_is_a_table_that_other_programs_read() -> None:
    rows = list(csv.DictReader(io.StringIO(worklist_csv(CONFIG, CASES))))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["order"] == "O-1"
    assert rows[0]["tickets"].split() == ["T-7", "T-9"]
    assert (rows[0]["amount"], rows[0]["currency"]) == ("49.90", "EUR")
    assert rows[0]["since"].endswith("Z")
    assert rows[0]["records"] == "daybook.orders.v1/2/1042"
    assert (rows[1]["order"], rows[1]["tickets"], rows[1]["amount"]) == ("", "T-8", "")


def test_nothing_in_it_is_a_formula_to_a_spreadsheet() -> None:
    last = list(csv.DictReader(io.StringIO(worklist_csv(CONFIG, CASES))))[-1]
    assert (last["order"], last["customer"], last["why"]) == ("'=cmd()", "'@c", "'+1")


def test_a_list_says_what_since_when_and_for_how_many(capsys: pytest.CaptureFixture[str]) -> None:
    one = replace(incident(assessment=assessment()), owner="kim\x1b[31m", state="acknowledged")
    print_list(CONFIG, [one])
    said = capsys.readouterr().out
    assert "acknowledged" in said
    assert f"{assessment().orders}" in said
    assert "\x1b[31m" not in said
    assert "kim\\x1b[31m" in said.replace("\n", "")


def test_one_is_shown_with_all_that_is_known_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    one = then(incident(assessment=replace(assessment(), cases=CASES)), "acknowledged", T0, note="[bold]calls them")
    print_one(CONFIG, replace(one, kind="pipeline"))
    said = capsys.readouterr().out
    for part in (one.id, one.symptoms[0].why, "O-1", "T-7 T-9", "[bold]calls them", "the data are at fault"):
        assert part in said


def test_one_without_symptoms_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    print_one(CONFIG, replace(incident(), symptoms=(), shares={}, title="Nothing comes from /carrier/a"))
    assert "Nothing comes from /carrier/a" in capsys.readouterr().out


def test_the_history_has_a_line_for_each_revision(capsys: pytest.CaptureFixture[str]) -> None:
    first = incident()
    print_history(CONFIG, [first, then(first, "resolved", T0, state="resolved")])
    said = capsys.readouterr().out
    assert "open" in said
    assert "resolved" in said


def test_an_id_may_be_cut_short_while_only_one_begins_so() -> None:
    known = {name: [replace(incident(), id=name)] for name in ("orders-1", "orders-12", "revenue-1")}
    assert find(known, "rev")[-1].id == "revenue-1"
    assert find(known, "orders-1")[-1].id == "orders-1"
    with pytest.raises(IncidentError, match=r"several incidents begin so: orders-1, orders-12"):
        find(known, "ord")
    with pytest.raises(IncidentError, match="there is no such incident"):
        find(known, "x")


def test_what_is_said_names_the_kpis_that_were_alerted_of() -> None:
    one = incident()
    said = feedback("false_alarm", "Ada", one)
    assert said.incident == one.id
    assert said.kpis == tuple(dict.fromkeys(symptom.kpi for symptom in one.symptoms if symptom.told))
    with pytest.raises(IncidentError, match="'until' must lie after 'at'"):
        feedback("snoozed", "Ada", one, until=5)
