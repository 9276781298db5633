"""What the parts of Grafana that are Daybook's go by. Links lead to these, so none of them changes."""

from __future__ import annotations

from typing import NamedTuple

TAG = "daybook"
"""Of all dashboards, and of the annotations of incidents."""
FOLDER_UID = "daybook"
DATASOURCE_UID = "daybook-prometheus"


class Page(NamedTuple):
    """One dashboard: its uid, which is the file's name too, its title and what it answers."""

    uid: str
    title: str
    answers: str


OPERATIONS = Page(
    "daybook-operations",
    "Operations today",
    "Is the business as usual? Every KPI beside what was expected of it and its goal, in total and by slice.",
)
DELIVERIES = Page(
    "daybook-deliveries",
    "Deliveries",
    "Are promises kept, by whom not, and how many of those still open will be missed?",
)
SUPPORT = Page(
    "daybook-support",
    "Support",
    "How much do customers ask, how soon are they answered, and are they content?",
)
PLATFORM = Page(
    "daybook-platform",
    "Daybook itself",
    "Do events arrive, are they counted in time, and does the team hear of what is found?",
)
PAGES = (OPERATIONS, DELIVERIES, SUPPORT, PLATFORM)
"""All of them, in the order of the links."""
