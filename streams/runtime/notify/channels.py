"""The channels of a configuration, and the notices that go with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from detectors.notification.notices import Notices, Settings
from detectors.notification.quiet import QuietHours
from detectors.notification.text import Text
from streams.config.notify import ENV, not_a_web_address, not_for_apprise
from streams.errors import ConfigError
from streams.runtime.notify.channel import Channel
from streams.runtime.notify.people import Apprise
from streams.runtime.notify.signing import key_of
from streams.runtime.notify.web import Alertmanager, Webhook

if TYPE_CHECKING:
    from streams.config import Config

ALERTMANAGER = "alertmanager"


def channels_of(config: Config, env: Mapping[str, str] = os.environ) -> list[Channel]:
    """Who is told, as configured. Raises :class:`ConfigError` where the environment has not what the configuration
    says, naming the variable and never what is in it."""
    notify = config.notify
    found: list[Channel] = []
    if notify.alertmanager is not None:
        url = _address("notify.alertmanager", notify.alertmanager, not_a_web_address, env)
        found.append(Alertmanager(ALERTMANAGER, url))
    for number, written in enumerate(notify.apprise):
        url = _address(f"notify.apprise[{number}]", written, not_for_apprise, env)
        found.append(Apprise(_name("apprise", written), url))
    for number, target in enumerate(notify.webhooks):
        where = f"notify.webhooks[{number}]"
        url = _address(f"{where}.url", target.url, not_a_web_address, env)
        try:
            key = key_of(_variable(f"{where}.secret_env", target.secret_env, env))
        except ValueError as error:
            raise ConfigError(
                f"{where}.secret_env: {target.secret_env} {error}; make one with: echo whsec_$(openssl rand -base64 32)"
            ) from None
        found.append(Webhook(_name("webhook", target.url), url, key))
    return found


def notices_of(config: Config) -> Notices:
    """What keeps count of who was told what, for the same channels."""
    notify, business = config.notify, config.business
    channels = [
        *(_name("apprise", written) for written in notify.apprise),
        *(_name("webhook", target.url) for target in notify.webhooks),
    ]
    settings = Settings(
        channels=tuple(channels),
        alertmanager=ALERTMANAGER if notify.alertmanager is not None else "",
        held_back=frozenset(notify.held_back),
        per_hour=notify.per_hour,
        too_old=notify.too_old,
    )
    text = Text(business.currency, business.timezone, notify.link, notify.runbook)
    return Notices(settings, text, QuietHours(notify.quiet_hours, business.timezone))


def _name(kind: str, written: str) -> str:
    """What a channel is called in metrics and in what is recorded: by its variable, or its address without what may be
    a secret in it. Another order in the file changes nothing."""
    if written.startswith(ENV):
        return f"{kind}:{written.removeprefix(ENV)}"
    digest = blake2b(written.encode(), digest_size=2).hexdigest()
    parts = urlsplit(written)
    return f"{kind}:{parts.scheme if kind == 'apprise' else parts.hostname}-{digest}"


def _address(where: str, written: str, wrong: Callable[[str], str | None], env: Mapping[str, str]) -> str:
    if not written.startswith(ENV):
        return written
    name = written.removeprefix(ENV)
    url = _variable(where, name, env)
    problem = wrong(url)
    if problem is not None:
        raise ConfigError(f"{where}: what {name} holds {problem}")
    return url


def _variable(where: str, name: str, env: Mapping[str, str]) -> str:
    value = env.get(name, "").strip()
    if not value:
        raise ConfigError(f"{where}: the environment variable {name} is not set")
    return value
