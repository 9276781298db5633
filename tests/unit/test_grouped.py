"""Our incidents against those that are known, by hand."""

from __future__ import annotations

import pytest

from detectors.evaluation.incidents import Alert, Known, Nature, Window
from detectors.incidents.incident import Change, Incident, Symptom
from streams.ingest.simulator import Label
from tests.evaluation.grouped import Grouped, Told, causes, is_right, outcomes
from tests.evaluation.grouped_report import _Shop, by_kind, by_size

H = 3_600_000
WEEK = 168 * H
COMPLETED, LATE, TICKETS = "deliveries_completed@1h", "on_time_ratio@1h", "tickets_opened@1h"


def known(name: str, start: int, *moves: str, consequences: str = "", nature: Nature = "business") -> Known:
    window = Window(start * H, (start + 80) * H)
    return Known(
        name, "courier_outage", nature, start * H, (start + 8) * H, start * H, start * H,
        dict.fromkeys(moves, window), dict.fromkeys(filter(None, [consequences]), window),
    )  # fmt: skip


def label(kind: str = "courier_outage", **scope: str) -> Label:
    return Label(
        name="",
        kind=kind,
        nature="business",
        start="",
        end="",
        scope={name: [value] for name, value in scope.items()},
        strength=1.0,
        kpis={},
        also={},
        orders=[],
        tickets=[],
        events=0,
        lost_orders=0,
        first_effect=None,
        last_effect=None,
    )


def ours(name: str, **scope: str) -> Incident:
    symptom = Symptom("deliveries_completed", "value", {}, 0, H, 1.0, (5.0, 9.0, 15.0), 4.0, -1, "parcels", True)
    history = tuple(Change(H, what) for what in ("opened", "joined", "worsened", "resolved"))
    return Incident(
        id=name,
        kind="business",
        state="resolved",
        severity="warning",
        title="",
        since=0,
        until=H,
        cause_until=H,
        symptoms=(symptom,),
        scope=scope,
        shares={},
        history=history,  # type: ignore[arg-type]
        cause="delivery",
    )


@pytest.mark.parametrize(
    ("scope", "of", "right"),
    [
        ({"carrier": "postbird"}, label(carrier="postbird"), True),
        ({"carrier": "hanseat"}, label(carrier="postbird"), False),
        ({}, label(carrier="postbird"), False),
        ({"carrier": "hanseat", "region": "north"}, label(carrier="hanseat"), True),
        ({"carrier": "hanseat", "region": "south"}, label(carrier="hanseat"), False),
        ({"region": "north"}, label(carrier="hanseat"), False),
        ({"carrier": "postbird", "topic": "late_delivery"}, label(carrier="postbird"), True),
        ({"carrier": "postbird", "channel": "web"}, label(carrier="postbird"), False),
        ({}, label(), True),
        ({"carrier": "postbird"}, label(), False),
        ({"payment_method": "card"}, label("payment_failures", method="card"), True),
        ({"topic": "payment"}, label("support_understaffed"), False),
    ],
)
def test_a_slice_is_right_where_it_names_what_was_hit_and_nothing_beside(
    scope: dict[str, str], of: Label, right: bool
) -> None:
    assert is_right(scope, of) is right


def test_the_fewest_causes_account_for_what_was_told_of() -> None:
    one, other = known("one", 0, COMPLETED, LATE), known("other", 20, LATE, consequences=TICKETS)
    assert causes([Alert(COMPLETED, H), Alert(LATE, 30 * H)], [one, other]) == [one]
    assert causes([Alert(LATE, 30 * H)], [one, other]) == [one]
    assert causes([Alert(COMPLETED, H), Alert(LATE, 90 * H)], [one, other]) == [one, other]
    assert causes([Alert(TICKETS, 30 * H)], [one, other]) == [other]
    assert causes([Alert(COMPLETED, H), Alert(TICKETS, 30 * H)], [one, other]) == [one]
    assert causes([Alert(TICKETS, H)], [one, other]) == []


def told() -> Told:
    grouped = Grouped(
        {name: ours(name, carrier="postbird") for name in "abc"},
        {
            Alert(COMPLETED, 3 * H): "a",
            Alert(LATE, 30 * H): "b",
            Alert(TICKETS, 200 * H): "c",
            Alert(TICKETS, 700 * H): "c",
        },
    )
    several = [
        known("outage", 0, COMPLETED, LATE),
        known("missed", 100, COMPLETED),
        known("promotion", 190, TICKETS, nature="planned"),
        replace_shows(known("too small", 100, COMPLETED)),
    ]
    labels = [label(carrier="postbird"), label(), label(), label()]
    return outcomes(grouped, several, labels, (300, 7), (0, 2 * WEEK))


def replace_shows(of: Known) -> Known:
    return of._replace(shows=None)


def test_what_became_of_an_incident() -> None:
    found = told()
    outage, missed = found.outcomes
    assert [one.id for one in outage.about] == ["a", "b"]
    assert (outage.delay, outage.messages, outage.mixed) == (3 * H, 6, False)
    assert outage.found
    assert outage.right_slice
    assert outage.named
    assert outage.right_cause
    assert (missed.found, missed.about, missed.right_slice, missed.right_cause) == (False, [], False, False)
    # To be told of what was announced is wrong, too.
    assert [one.id for one in found.false] == ["c"]
    assert (found.all, found.weeks) == (3, 2.0)


def test_an_incident_of_ours_that_is_about_two_is_said_to_be() -> None:
    several = [known("one", 0, COMPLETED), known("other", 100, LATE)]
    grouped = Grouped({"a": ours("a")}, {Alert(COMPLETED, H): "a", Alert(LATE, 101 * H): "a"})
    found = outcomes(grouped, several, [label(), label()], (300, 1), (0, 2 * WEEK)).outcomes
    assert [one.mixed for one in found] == [True, True]


def test_the_tables_tell_tuned_shops_from_others() -> None:
    table = by_size([_Shop(300, 1, told()), _Shop(300, 17, told())])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    assert [row[:2] for row in rows] == [["300", "1 looked at"], ["300", "1 others"], ["all", "1 others"]]
    assert rows[1][2:] == ["2", "1", "0 of 1", "2.00", "100% ✓", "1 of 1", "0", "3.0", "6.0", "0.50", "0 of 1"]
    kinds = by_kind(told().outcomes).splitlines()[2:]
    assert [cell.strip() for cell in kinds[0].split("|")[1:4]] == ["courier_outage", "1 of 2", "0 of 1"]
