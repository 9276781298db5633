"""What the events say of an incident: worklist, impact and cause as one record."""

from __future__ import annotations

from detectors.casework.affected import cases, look_through
from detectors.casework.cause import explain
from detectors.casework.impact import impact
from detectors.casework.ledger import Ledger
from detectors.incidents.incident import Assessment, Incident
from detectors.incidents.stages import Stage
from streams.kpis.definitions import Definitions
from streams.kpis.grid import DAY_MS

MOST_CASES = 50
"""So many lines of a worklist are kept in the record of an incident; the counts are of all."""
REACH_MS = 7 * DAY_MS
"""What waits when an incident begins may have begun so long before."""


def assess(incident: Incident, ledger: Ledger, definitions: Definitions, at: int) -> Assessment:
    """Of an incident, by all events up to ``at`` (event time, epoch ms) that the ledger holds.

    Where orders were not placed that are usual, ``amount`` is what they would have been worth. It is not complete where
    the ledger does not reach back far enough.
    """
    found = look_through(incident, ledger, definitions, at)
    lines = cases(found.hits, ledger)
    cost = impact(lines, incident, ledger, definitions, at)
    why = explain(incident, found, ledger, at).text
    if cost.missing:
        why = "; ".join(filter(None, (cost.text(definitions.currency), why)))
    reach = 0 if found.stage in (Stage.INTAKE, Stage.PAYMENT) else REACH_MS
    return Assessment(
        at=at,
        orders=cost.orders,
        tickets=cost.tickets,
        customers=cost.customers,
        amount=cost.amount + cost.missing_amount,
        explanation=why,
        cases=tuple(lines[:MOST_CASES]),
        complete=ledger.complete_since <= incident.since - reach,
    )
