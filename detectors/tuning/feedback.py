"""What teams said of incidents, as what was wrong with a KPI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from detectors.incidents.feedback import Feedback
from detectors.incidents.incident import Incident
from detectors.tuning.course import Beside, Label


def labels_from(
    said: Iterable[Feedback], incidents: Mapping[str, Incident], kpi: str, since: int, until: int
) -> tuple[list[Label], Beside]:
    """Of a KPI and the time from ``since`` to ``until`` (epoch ms): the incidents that were confirmed and what was
    missed, which are to be found; and beside them the false alarms and what was expected, and the incidents of which
    nobody has said whether they were right.

    What was said last of an incident holds. ``said`` is in any order; what is about an incident that is not among
    ``incidents`` is left out: nobody knows when it was.
    """
    labels, false, unsaid = [], [], []
    last: dict[str, Feedback] = {}
    for one in sorted(said, key=lambda one: one.at):
        if one.what == "missed":
            if kpi in one.kpis:
                labels.append(Label(one.since, one.until, "missed"))
        elif one.what in ("confirmed", "false_alarm", "expected"):
            last[one.incident] = one
    for name, incident in incidents.items():
        verdict = last.get(name)
        told = {symptom.kpi for symptom in incident.symptoms if symptom.told} if verdict is None else {*verdict.kpis}
        if kpi not in told:
            continue
        span = Label(incident.since, incident.until)
        if verdict is None:
            unsaid.append(span)
        elif verdict.what == "confirmed":
            labels.append(span._replace(what="confirmed"))
        else:
            false.append(span._replace(until=max(span.until, verdict.until), what=verdict.what))
    spans = (
        sorted(one for one in some if since <= one.since and one.until <= until) for some in (labels, false, unsaid)
    )
    found, *others = spans
    return found, Beside(*others)
