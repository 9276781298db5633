"""What an incident costs: how many orders, tickets and customers it has hit, what those orders are worth, and what was
not ordered because of it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from detectors.casework.ledger import Ledger
from detectors.casework.scope import Scope
from detectors.casework.standstill import BEFORE_MS, Flow
from detectors.casework.steps import Clock
from detectors.casework.stories import known
from detectors.incidents.incident import Case, Incident
from streams.kpis.definitions import Definitions, KpiDefinition, MeasureKpi
from streams.kpis.grid import HOUR_MS
from streams.kpis.units import money


class Impact(Struct, frozen=True):
    """``amount`` is what the orders hit are worth; ``missing`` how many orders were not placed that are usual, and
    ``missing_amount`` what those would have been worth. Money in minor units of the business currency."""

    orders: int
    tickets: int
    customers: int
    amount: int
    missing: float = 0.0
    missing_amount: int = 0

    def text(self, currency: str) -> str:
        """In a sentence; empty where nothing was hit."""
        if self.missing:
            return f"about {self.missing:.0f} orders worth {money(self.missing_amount, currency)} were not placed"
        if not self.orders:
            return f"{self.tickets} tickets" if self.tickets else ""
        said = f"{self.orders} orders of {self.customers} customers, worth {money(self.amount, currency)}"
        return f"{said}, and {self.tickets} tickets about them" if self.tickets else said


def impact(cases: Sequence[Case], incident: Incident, ledger: Ledger, definitions: Definitions, at: int) -> Impact:
    """Of a whole worklist, as far as is known ``at`` an instant (epoch ms)."""
    missing, amount = (0.0, 0)
    if _fewer_placed(incident, definitions):
        missing, amount = not_placed(incident, ledger, at)
    return Impact(
        orders=sum(bool(case.order) for case in cases),
        tickets=len({ticket for case in cases for ticket in case.tickets}),
        customers=len({case.customer for case in cases if case.customer}),
        amount=sum(case.amount for case in cases if case.order),
        missing=missing,
        missing_amount=amount,
    )


def _fewer_placed(incident: Incident, definitions: Definitions) -> bool:
    kpis = {kpi.name: kpi for kpi in definitions.kpis}
    return any(
        one.told and one.side < 0 and _counts_orders(kpis[one.kpi]) for one in incident.symptoms if one.kpi in kpis
    )


def _counts_orders(kpi: KpiDefinition) -> bool:
    return isinstance(kpi, MeasureKpi) and kpi.kind in ("count", "sum") and "order.placed" in kpi.of.moments


def not_placed(incident: Incident, ledger: Ledger, at: int) -> tuple[float, int]:
    """How many orders fewer than usual were placed within an incident's scope while its cause lasted, and what they
    would have been worth at the usual mean; zeros where there were no fewer."""
    since, until = incident.since, min(max(incident.cause_until, incident.since + HOUR_MS), at)
    scope = Scope(ledger.dimensions, incident.scope, ())
    times, total = [], 0
    for life in ledger:
        for one, values, _ in known(ledger.story(life)):
            if one.sort.type == "order.placed" and scope.knows(values):
                times.append(one.time)
                total += life.amount
    if not times or until <= since:
        return 0.0, 0
    begin = max(ledger.complete_since, min(times))
    flow = Flow(times, begin, at, (since - BEFORE_MS, until + BEFORE_MS), Clock(ledger.definitions.timezone))
    fewer = flow.expected(since, until) - sum(since <= time < until for time in times)
    return (fewer, round(fewer * total / len(times))) if fewer > 0 else (0.0, 0)
