"""What may become of an incident, and who did it. Each step gives the next revision; what was before stays readable in
the history."""

from __future__ import annotations

from msgspec.structs import replace

from detectors.incidents.incident import Assessment, Change, Incident, State, What, severity_of
from streams.errors import ContractError


def acknowledge(incident: Incident, at: int, by: str, note: str = "") -> Incident:
    """Somebody looks after it: they are its owner. Raises :class:`ContractError` where it is over."""
    _must_be_live(incident, "acknowledged")
    return _changed(incident, at, "acknowledged", "acknowledged", by, note, owner=by, snoozed_until=0)


def snooze(incident: Incident, at: int, by: str, until: int, note: str = "") -> Incident:
    """Nobody wants to hear of it until an instant (epoch ms)."""
    _must_be_live(incident, "snoozed")
    if until <= at:
        raise ContractError(f"incident {incident.id} cannot be snoozed until a time that has passed")
    return _changed(incident, at, "snoozed", "snoozed", by, note, snoozed_until=until)


def wake(incident: Incident, at: int) -> Incident:
    """It was snoozed for long enough: as before, with its owner if it has one."""
    if incident.state != "snoozed" or at < incident.snoozed_until:
        return incident
    return _changed(incident, at, "acknowledged" if incident.owner else "open", "woken", snoozed_until=0)


def resolve(incident: Incident, at: int, by: str = "", note: str = "") -> Incident:
    """It is over: everything is as usual, or somebody says so."""
    _must_be_live(incident, "resolved")
    return _changed(incident, at, "resolved", "resolved", by, note)


def reopen(incident: Incident, at: int, by: str = "", note: str = "") -> Incident:
    """It was not over. Who looked after it does so again, and a snooze that has not ended goes on, unless it is
    somebody who says so."""
    if incident.state not in ("resolved", "retracted"):
        raise ContractError(f"incident {incident.id} is {incident.state}, it cannot be reopened")
    state: State = "acknowledged" if incident.owner else "open"
    if by:
        return _changed(incident, at, state, "reopened", by, note, calm=0, snoozed_until=0)
    return _changed(incident, at, "snoozed" if at < incident.snoozed_until else state, "reopened", by, note, calm=0)


def retract(incident: Incident, at: int, by: str = "", note: str = "") -> Incident:
    """There never was one: events that came late say so, or somebody does."""
    if incident.state in ("retracted", "merged"):
        raise ContractError(f"incident {incident.id} is {incident.state}, it cannot be retracted")
    return _changed(incident, at, "retracted", "retracted", by, note, snoozed_until=0)


def confirm(incident: Incident, at: int, by: str, note: str = "") -> Incident:
    """Somebody says that there is, or was, one."""
    if incident.state in ("retracted", "merged"):
        raise ContractError(f"incident {incident.id} is {incident.state}, it cannot be confirmed")
    return _changed(incident, at, incident.state, "confirmed", by, note)


def merge(incident: Incident, into: Incident, at: int) -> tuple[Incident, Incident]:
    """Both are one: the one that ends, and the one that goes on with what is known of both."""
    _must_be_live(incident, "merged")
    _must_be_live(into, "merged into")
    gone = _changed(incident, at, "merged", "merged", note=f"into {into.id}", merged_into=into.id, snoozed_until=0)
    symptoms = {symptom.series: symptom for symptom in into.symptoms}
    for one in incident.symptoms:
        symptoms[one.series] = symptoms[one.series].with_(one) if one.series in symptoms else one
    kept = replace(
        into,
        since=min(into.since, incident.since),
        until=max(into.until, incident.until),
        cause_until=max(into.cause_until, incident.cause_until),
        symptoms=tuple(symptoms.values()),
        severity=severity_of(symptoms.values()),
        shares={**incident.shares, **into.shares},
        calm=min(into.calm, incident.calm),
        owner=into.owner or incident.owner,
    )
    return gone, _changed(kept, at, into.state, "merged", note=f"with {incident.id}")


def assess(incident: Incident, assessment: Assessment) -> Incident:
    """Its events have been looked through, once more perhaps."""
    return replace(incident, assessment=assessment, revision=incident.revision + 1)


def noted(incident: Incident, at: int, what: What, note: str = "") -> Incident:
    """More is known of it; its state stays."""
    return _changed(incident, at, incident.state, what, note=note)


def _must_be_live(incident: Incident, what: str) -> None:
    if incident.state == "merged":
        raise ContractError(f"incident {incident.id} is part of {incident.merged_into} now: say it of that one")
    if not incident.live:
        raise ContractError(f"incident {incident.id} is {incident.state}, it cannot be {what}")


def _changed(
    incident: Incident, at: int, state: State, what: What, by: str = "", note: str = "", **fields: object
) -> Incident:
    history = (*incident.history, Change(at, what, by, note))
    return replace(incident, state=state, history=history, revision=incident.revision + 1, **fields)
