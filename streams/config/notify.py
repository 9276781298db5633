"""The section about who is told of incidents. Addresses may hold secrets: no message repeats what is written there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from streams.config.business import hours
from streams.config.places import Noted, Place, read
from streams.config.readers import Reader, fields, integer, literal, matching, milliseconds, several, text
from streams.config.structs import MINUTE, WEEKDAYS, Notify, Severity, WebhookTarget

T = TypeVar("T")

ENV = "env:"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST = 20


def notify(place: Place) -> Notify:
    """The section. Raises Noted where anything in it is wrong."""
    return Notify(
        **fields(
            place,
            {
                "alertmanager": web_address,
                "apprise": _each(_apprise_address),
                "webhooks": _each(_webhook),
                "link": link,
                "runbook": text(500),
                "quiet_hours": _quiet_hours,
                "held_back": several(literal(Severity), least=0),
                "per_hour": integer(1, 1000),
                "too_old": milliseconds(MINUTE),
            },
        )
    )


def not_a_web_address(url: str) -> str | None:
    """What is wrong with it, in words that do not repeat it; None where it is an address."""
    try:
        parts = urlsplit(url)
        found = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        found = False
    return None if found and not re.search(r"\s", url) else "is no address (expected like https://host:port/path)"


def not_for_apprise(url: str) -> str | None:
    """What is wrong with an Apprise URL, in words that do not repeat it; None where it can be used."""
    import logging

    from apprise import Apprise  # takes a while, and few need it

    # What it logs of a URL that it cannot use may be the URL.
    logger = logging.getLogger("apprise")
    before, logger.disabled = logger.disabled, True
    try:
        usable = Apprise.instantiate(url) is not None
    finally:
        logger.disabled = before
    if usable:
        return None
    scheme = url.split("://", 1)[0] if "://" in url else ""
    begins = f"begins with {scheme}://" if re.fullmatch(r"[A-Za-z0-9]{1,20}", scheme) else "has no scheme"
    return f"is no URL that Apprise can use; it {begins} (https://appriseit.com/services says how they are written)"


def web_address(place: Place) -> str:
    """An address that can be posted to, or ``env:NAME``. Raises Wrong for anything else."""
    return _address(place, not_a_web_address)


def _apprise_address(place: Place) -> str:
    return _address(place, not_for_apprise)


def _address(place: Place, wrong: Callable[[str], str | None]) -> str:
    value = place.text("an address").strip()
    if value.startswith(ENV):
        if not _VARIABLE.fullmatch(value.removeprefix(ENV)):
            raise place.wrong(f"{value!r} names no environment variable (expected like env:DAYBOOK_PHONE)")
        return value
    if _VARIABLE.fullmatch(value):
        raise place.wrong("is a mere word (expected an address, or env:NAME for the variable that has it)")
    problem = wrong(value)
    if problem is not None:
        raise place.wrong(problem)
    return value


def _webhook(place: Place) -> WebhookTarget:
    return WebhookTarget(
        **fields(
            place,
            {"url": web_address, "secret_env": matching(_VARIABLE, "the name of an environment variable")},
            ["url"],
        )
    )


def _each(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    """A list, or one in its stead, without repetitions, which are not repeated here either."""

    def read_all(place: Place) -> tuple[T, ...]:
        places = place.items()
        if len(places) > _MOST:
            raise place.wrong(f"{len(places)} entries (expected at most {_MOST})")
        before = len(place.problems.found)
        values: list[T] = []
        for item in places:
            try:
                value = read(item, reader)
            except Noted:
                continue
            if value in values:
                item.note("is there twice")
            values.append(value)
        if len(place.problems.found) > before:
            raise Noted
        return tuple(values)

    return read_all


def link(place: Place) -> str:
    """Where an incident can be looked at. Raises Wrong where it is no address or lacks the id's place."""
    value = place.text("an address").strip()
    problem = not_a_web_address(value.replace("{id}", "x"))
    if problem is not None or "{id}" not in value:
        raise place.wrong("is no link (expected like http://127.0.0.1:8080/incidents/{id})")
    return value


def _quiet_hours(place: Place) -> tuple[tuple[tuple[int, int], ...], ...]:
    if not place.is_mapping:
        return (hours("quiet hours")(place),) * 7
    values = fields(place, dict.fromkeys(WEEKDAYS, hours("quiet hours")))
    return tuple(values.get(day, ()) for day in WEEKDAYS)
