"""Where on the way of an order a KPI looks."""

from __future__ import annotations

import pytest

from detectors.incidents.stages import Stage, related, stages_of
from streams.config import load_config

DEFINITIONS = load_config(env={}).definitions()
KPIS = {kpi.name: kpi for kpi in DEFINITIONS.kpis}


@pytest.mark.parametrize(
    ("kpi", "stages"),
    [
        ("orders_placed", {Stage.ORDER}),
        ("payment_failure_ratio", {Stage.ORDER}),
        ("deliveries_dispatched", {Stage.DISPATCH}),
        ("time_to_ship", {Stage.DISPATCH}),
        ("orders_unshipped_overdue", {Stage.DISPATCH}),
        ("delivery_time", {Stage.DELIVERY}),
        ("order_to_door", {Stage.DISPATCH, Stage.DELIVERY}),
        ("deliveries_in_transit", {Stage.DISPATCH, Stage.DELIVERY}),
        ("deliveries_overdue", {Stage.DELIVERY}),
        ("orders_open", {Stage.ORDER, Stage.DISPATCH, Stage.DELIVERY}),
        ("contact_ratio", {Stage.TICKET}),
        ("first_response_time", {Stage.TICKET}),
        ("tickets_open", {Stage.TICKET}),
    ],
)
def test_a_kpi_looks_where_trouble_moves_it(kpi: str, stages: set[Stage]) -> None:
    assert stages_of(KPIS[kpi], DEFINITIONS) == stages


def test_every_kpi_has_a_stage() -> None:
    assert all(stages_of(kpi, DEFINITIONS) for kpi in DEFINITIONS.kpis)


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ({Stage.ORDER}, {Stage.ORDER}, True),
        ({Stage.ORDER}, {Stage.DISPATCH}, True),
        ({Stage.DELIVERY}, {Stage.ORDER}, False),
        ({Stage.DELIVERY}, {Stage.ORDER, Stage.DISPATCH}, True),
        ({Stage.TICKET}, {Stage.ORDER}, True),
    ],
)
def test_trouble_travels_down_the_chain_and_to_support(one: set[Stage], other: set[Stage], may: bool) -> None:
    assert related(frozenset(one), frozenset(other)) is related(frozenset(other), frozenset(one)) is may
