"""A message that says nothing but that it arrives: for whoever sets a channel up."""

from __future__ import annotations

from detectors.notification.alerts import NAME
from detectors.notification.message import Alert, Message

TITLE = "Daybook: this is a test"
BODY = "Nothing is wrong. Whoever reads this will be told when something is."
_LASTS_MS = 60_000


def trial(channel: str, at: int, *, alertmanager: bool) -> Message:
    """For a channel, at an instant (epoch ms). Alertmanager has an alert for a minute, of severity ``info``, that takes
    the route which alerts of incidents take."""
    alert = Alert(
        labels={"alertname": NAME, "incident": "test", "severity": "info", "kind": "business"},
        annotations={"summary": TITLE, "description": BODY},
        starts_at=at,
        ends_at=at + _LASTS_MS,
    )
    return Message(
        id=f"test/{at}",
        channel=channel,
        news="alert" if alertmanager else "test",
        at=at,
        incidents=(),
        severity="info",
        title=TITLE,
        body=BODY,
        alert=alert if alertmanager else None,
    )
