"""Where on the way of an order a KPI looks."""

from __future__ import annotations

import pytest

from detectors.incidents.stages import Stage, lags, leads, stages_of
from streams.config import load_config

DEFINITIONS = load_config(env={}).definitions()
KPIS = {kpi.name: kpi for kpi in DEFINITIONS.kpis}


@pytest.mark.parametrize(
    ("kpi", "stages"),
    [
        ("orders_placed", {Stage.INTAKE}),
        ("average_order_value", {Stage.INTAKE}),
        ("payment_failure_ratio", {Stage.PAYMENT}),
        ("cancellation_ratio", {Stage.AFTERMATH}),
        ("deliveries_dispatched", {Stage.DISPATCH}),
        ("time_to_ship", {Stage.PAYMENT, Stage.DISPATCH}),
        ("orders_unshipped_overdue", {Stage.PAYMENT, Stage.DISPATCH}),
        ("delivery_time", {Stage.DELIVERY}),
        ("on_time_ratio", {Stage.DELIVERY}),
        ("order_to_door", {Stage.PAYMENT, Stage.DISPATCH, Stage.DELIVERY}),
        ("deliveries_in_transit", {Stage.DISPATCH, Stage.DELIVERY}),
        ("deliveries_overdue", {Stage.DELIVERY}),
        ("orders_open", {Stage.INTAKE, Stage.PAYMENT, Stage.DISPATCH, Stage.DELIVERY}),
        ("tickets_opened", {Stage.CONTACT}),
        ("contact_ratio", {Stage.CONTACT}),
        ("tickets_answered", {Stage.SUPPORT}),
        ("first_response_time", {Stage.SUPPORT}),
        ("tickets_open", {Stage.CONTACT, Stage.SUPPORT}),
        ("satisfaction", {Stage.SUPPORT}),
    ],
)
def test_a_kpi_looks_where_trouble_moves_it(kpi: str, stages: set[Stage]) -> None:
    assert stages_of(KPIS[kpi], DEFINITIONS) == stages


def test_every_kpi_has_a_stage() -> None:
    assert all(stages_of(kpi, DEFINITIONS) for kpi in DEFINITIONS.kpis)


@pytest.mark.parametrize(
    ("one", "other", "does"),
    [
        (Stage.DISPATCH, Stage.DELIVERY, True),
        (Stage.DELIVERY, Stage.DISPATCH, False),
        (Stage.INTAKE, Stage.DISPATCH, True),
        (Stage.INTAKE, Stage.DELIVERY, False),
        (Stage.INTAKE, Stage.PAYMENT, False),
        (Stage.PAYMENT, Stage.AFTERMATH, True),
        (Stage.DELIVERY, Stage.CONTACT, True),
        (Stage.CONTACT, Stage.SUPPORT, True),
        (Stage.DELIVERY, Stage.SUPPORT, False),
        (Stage.DELIVERY, Stage.DELIVERY, False),
    ],
)
def test_trouble_travels_down_the_chain(one: Stage, other: Stage, does: bool) -> None:
    assert leads(one, other) is does


@pytest.mark.parametrize(
    ("kpi", "does"),
    [
        ("orders_placed", False),
        ("deliveries_completed", False),
        ("payment_failure_ratio", False),
        ("delivery_failure_ratio", False),
        ("delivery_time", True),
        ("on_time_ratio", True),
        ("answered_in_4h", True),
        ("deliveries_overdue", True),
    ],
)
def test_what_speaks_of_what_began_long_before_lags(kpi: str, does: bool) -> None:
    assert lags(KPIS[kpi]) is does
