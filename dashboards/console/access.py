"""Who may look, who may act: a password for each, a signed cookie, and no requests from other sites.

Bound to loopback nobody has to sign in; then the page answers only under a name of this machine, so that no other site
can point its own name here (DNS rebinding).
"""

from __future__ import annotations

import getpass
import hmac
import os
import secrets
import time
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from itsdangerous import BadSignature, URLSafeSerializer

from streams.errors import ConfigError, DaybookError

Role = Literal["acts", "reads"]
PASSWORD, READER_PASSWORD = "DAYBOOK_CONSOLE_PASSWORD", "DAYBOOK_CONSOLE_READER_PASSWORD"
COOKIE, NAME_COOKIE = "daybook_console", "daybook_name"
SIGNED_IN_S = 14 * 86_400
"""Seconds after which one has to sign in again."""
LONGEST_NAME = 80
_LEAST = 8


class AccessError(DaybookError):
    """What is needed to know who may look cannot be kept."""


class Person(NamedTuple):
    """Somebody who looks; ``name`` is what is written down of what they do."""

    name: str
    role: Role

    @property
    def acts(self) -> bool:
        return self.role == "acts"


class _Seen(NamedTuple):
    """Who a cookie is of, and when they signed in (s)."""

    person: Person
    since: int


class Access:
    """Who may do what on a page bound to ``host``. ``env`` has the passwords, ``folder`` keeps the key that cookies are
    signed with, ``clock`` tells seconds.

    Raises :class:`ConfigError` where the page can be reached from elsewhere and there is no password.
    """

    def __init__(
        self,
        host: str,
        folder: Path,
        env: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.open = is_loopback(host)
        self._clock = clock
        self._passwords: dict[Role, bytes] = {}
        roles: dict[Role, str] = {"acts": PASSWORD, "reads": READER_PASSWORD}
        for role, name in roles.items():
            given = env.get(name, "")
            if given and len(given) < _LEAST:
                raise ConfigError(f"{name}: is too short (at least {_LEAST} characters)")
            if given:
                self._passwords[role] = given.encode()
        if len(set(self._passwords.values())) < len(self._passwords):
            raise ConfigError(f"{READER_PASSWORD}: is the same as {PASSWORD}, so that who may only look could act")
        if self._passwords:
            self.open = False
        if not self.open and "acts" not in self._passwords:
            raise ConfigError(
                f"console.host: {host} can be reached from other machines, and nobody would have to sign in: set "
                f"{PASSWORD} (and {READER_PASSWORD} for those who may only look)"
            )
        key = _key(folder / "console.key")
        # By the password too: who signed in by one that was changed has to sign in again.
        self._cookies = {
            role: URLSafeSerializer(hmac.digest(key, password, "sha256"), salt=f"daybook-console-{role}")
            for role, password in self._passwords.items()
        }

    def answers_to(self, host: str) -> bool:
        """Whether a request's ``Host`` is one of ours. Where one has to sign in it may be any, such as a proxy's: under
        another name a browser has no cookie."""
        return not self.open or is_loopback(_parts(f"//{host}").hostname or "")

    @staticmethod
    def same_site(host: str, origin: str | None) -> bool:
        """Whether a request that changes something, or a websocket, comes from our own page: by its ``Origin``, which
        browsers send and pages cannot change. Programs send none."""
        return origin is None or (bool(host) and _parts(origin).netloc == host)

    def person(self, cookie: str | None, name: str | None = None) -> Person | None:
        """Who somebody is by their cookie; None where they have to sign in. Where nobody has to, the ``name`` they gave
        is believed."""
        if self.open:
            return Person(named(unquote(name or "")), "acts")
        seen = self._seen(cookie)
        return None if seen is None else seen.person

    def sign_in(self, name: str, password: str) -> str | None:
        """The cookie of who gives a right password; None where it is wrong."""
        given = password.encode()
        # All are compared, whichever it is.
        fitting = [role for role, known in self._passwords.items() if hmac.compare_digest(known, given)]
        if not fitting:
            return None
        return self._cookies[fitting[0]].dumps([named(name), int(self._clock())])

    def renamed(self, cookie: str | None, name: str) -> str | None:
        """The cookie of who has signed in already, under another name, for as long as before; None for whom has not."""
        seen = self._seen(cookie)
        return None if seen is None else self._cookies[seen.person.role].dumps([named(name), seen.since])

    def _seen(self, cookie: str | None) -> _Seen | None:
        for role, cookies in self._cookies.items():
            try:
                name, since = cookies.loads(cookie or "")
            except (BadSignature, TypeError, ValueError):
                continue
            return _Seen(Person(name, role), since) if self._clock() - since <= SIGNED_IN_S else None
        return None


def _parts(address: str) -> SplitResult:
    """The parts of an address that a request names; none where it is no address."""
    try:
        found = urlsplit(address)
        found.hostname  # noqa: B018  # read here, as it is what is found wanting
    except ValueError:
        return urlsplit("")
    return found


def is_loopback(host: str) -> bool:
    """Whether a host can be reached from this machine only."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def named(given: str) -> str:
    """A name as it is written down, in one line; whoever runs the console where none is given."""
    return " ".join("".join(each if each.isprintable() else " " for each in given).split())[:LONGEST_NAME] or _login()


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "somebody"


def _key(path: Path, make: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """The key, made where there is none, for its owner's eyes only."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            found = path.read_bytes()
            if len(found) < 32:
                raise AccessError(f"{path}: is no key; remove it, and a new one is made") from None
            return found
        with os.fdopen(handle, "wb") as file:
            key = make(32)
            file.write(key)
        return key
    except OSError as error:
        raise AccessError(f"{path}: the key of the console's cookies cannot be kept ({error.strerror})") from None
