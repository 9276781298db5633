"""Where an incident began, and how bad it is."""

from __future__ import annotations

import pytest

from detectors.incidents.cause import Sign, begins_at
from detectors.incidents.incident import Severity, Symptom
from detectors.incidents.severity import weigh
from detectors.incidents.stages import Stage

HOUR = 3_600_000
NEAR = 6 * HOUR


def sign(kpi: str, stage: Stage, surprise: float, hour: int = 0) -> Sign:
    return Sign(kpi, frozenset({stage}), surprise, hour * HOUR)


def test_of_what_is_off_at_once_the_earliest_stage_is_where_it_began() -> None:
    signs = [sign("on_time_ratio", Stage.DELIVERY, 9.0), sign("deliveries_dispatched", Stage.DISPATCH, 6.0)]
    assert begins_at(signs, NEAR) is Stage.DISPATCH


def test_a_faint_alarm_at_an_earlier_stage_is_not_where_it_began() -> None:
    signs = [
        sign("time_to_ship", Stage.DISPATCH, 3.2),
        sign("deliveries_completed", Stage.DELIVERY, 12.0),
        sign("on_time_ratio", Stage.DELIVERY, 9.0, 1),
    ]
    assert begins_at(signs, NEAR) is Stage.DELIVERY


def test_what_is_off_at_an_earlier_stage_long_after_is_no_beginning() -> None:
    """Events of dispatches that do not come in make orders look overdue, days after the parcels seem to be stuck."""
    signs = [
        sign("deliveries_completed", Stage.DELIVERY, 12.0),
        sign("orders_unshipped_overdue", Stage.DISPATCH, 12.0, 33),
    ]
    assert begins_at(signs, NEAR) is Stage.DELIVERY


def test_tickets_and_cancellations_are_no_beginning_where_there_is_another() -> None:
    tickets = sign("tickets_opened", Stage.CONTACT, 12.0)
    slow = sign("first_response_time", Stage.SUPPORT, 12.0)
    assert begins_at([tickets, slow], NEAR) is Stage.CONTACT
    assert begins_at([tickets, slow, sign("delivery_time", Stage.DELIVERY, 6.0, 5)], NEAR) is Stage.DELIVERY
    assert begins_at([slow], NEAR) is Stage.SUPPORT
    with pytest.raises(ValueError, match="empty"):
        begins_at([], NEAR)


def test_a_stage_that_the_rest_does_not_follow_from_is_not_where_it_began() -> None:
    """Payments do not make parcels late, and no one waits for an answer because customers write days later."""
    signs = [
        sign("payment_failure_ratio", Stage.PAYMENT, 3.5),
        sign("time_to_ship", Stage.DISPATCH, 6.7, 28),
        sign("on_time_ratio", Stage.DELIVERY, 7.8, 46),
    ]
    assert begins_at(signs, NEAR) is Stage.DISPATCH
    signs = [
        sign("payment_failure_ratio", Stage.PAYMENT, 3.7, 1),
        sign("first_response_time", Stage.SUPPORT, 5.0),
        sign("answered_in_4h", Stage.SUPPORT, 7.1),
        sign("contact_ratio", Stage.CONTACT, 3.5, 47),
    ]
    assert begins_at(signs, NEAR) is Stage.SUPPORT


def test_where_nothing_accounts_for_much_what_accounts_for_most_is_where_it_began() -> None:
    signs = [
        sign("orders_placed", Stage.INTAKE, 4.0),
        sign("payment_failure_ratio", Stage.PAYMENT, 5.0),
        sign("first_response_time", Stage.SUPPORT, 4.5),
    ]
    assert begins_at(signs, NEAR) is Stage.PAYMENT


def symptom(kpi: str, surprise: float, hours: int = 1, told: bool = True) -> Symptom:
    return Symptom(kpi, "value", {}, 0, hours * HOUR, 1.0, (0.0, 0.5, 0.9), surprise, 1, "ratio", told)


@pytest.mark.parametrize(
    ("told", "severity"),
    [
        ([(symptom("refund_ratio", 3.5), Stage.AFTERMATH)], "info"),
        ([(symptom("refund_ratio", 4.5), Stage.AFTERMATH)], "warning"),
        ([(symptom("refund_ratio", 3.5, hours=7), Stage.AFTERMATH)], "warning"),
        ([(symptom("orders_placed", 3.5), Stage.INTAKE)], "warning"),
        (
            [(symptom("refund_ratio", 3.5), Stage.AFTERMATH), (symptom("tickets_open", 3.5), Stage.SUPPORT)],
            "warning",
        ),
        ([(symptom("refund_ratio", 6.0), Stage.AFTERMATH)], "critical"),
    ],
)
def test_a_single_kpi_that_is_faintly_off_for_a_short_time_is_for_information(
    told: list[tuple[Symptom, Stage]], severity: Severity
) -> None:
    assert weigh(told) == severity


def test_what_lags_may_be_of_any_stage_that_it_lies_between() -> None:
    """An order that is not paid is not shipped when it was promised; that is no trouble in the warehouse."""
    overdue = Sign("orders_unshipped_overdue", frozenset({Stage.PAYMENT, Stage.DISPATCH}), 12.0, 7 * HOUR)
    assert begins_at([sign("payment_failure_ratio", Stage.PAYMENT, 8.5), overdue], NEAR) is Stage.PAYMENT
    assert begins_at([sign("payment_failure_ratio", Stage.PAYMENT, 2.5), overdue], NEAR) is Stage.DISPATCH
    late = overdue._replace(since=40 * HOUR)
    assert begins_at([sign("payment_failure_ratio", Stage.PAYMENT, 6.0), late], NEAR) is Stage.DISPATCH
