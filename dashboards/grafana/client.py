"""A running Grafana, asked through grafana-api: what it answers, or in one line why it does not.

grafana-api parses whatever comes back as JSON and follows redirects, so that a login page looks like an answer. Here
each response is looked at before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from grafana_api.grafana_api import GrafanaException
from grafana_api.grafana_face import GrafanaFace

from streams.config import Config
from streams.errors import ConfigError, DaybookError

WITHIN = 10.0
"""Seconds for one answer."""
_TOKEN = re.compile(r"[!-~]+")
_MOST = 200
"""Characters of somebody else's message that are repeated."""


class GrafanaError(DaybookError):
    """Grafana cannot be reached, refuses, or is not Grafana. ``status`` is the HTTP status, where there was one;
    ``reason`` what Grafana calls it (``version-mismatch``)."""

    def __init__(self, text: str, status: int | None = None, reason: str = "") -> None:
        super().__init__(text)
        self.status, self.reason = status, reason


class Grafana:
    """One Grafana, as configured, with connections that are to be closed. Raises :class:`ConfigError` where the
    environment has no usable token."""

    def __init__(self, config: Config, env: Mapping[str, str] = os.environ) -> None:
        self.url, self._variable = config.grafana.url, config.grafana.token_env
        parts = urlsplit(self.url)
        prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        self.face = GrafanaFace(
            auth=_token(self._variable, env),
            host=f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname,
            port=parts.port,
            url_path_prefix=prefix,
            protocol=parts.scheme,
            timeout=WITHIN,
        )
        self.face.api.s.hooks["response"].append(self._looked_at)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.face.api.s.close()

    @contextmanager
    def doing(self, what: str) -> Iterator[GrafanaFace]:
        """Ask; ``what`` is what for, as in "may not …". Raises :class:`GrafanaError`."""
        try:
            yield self.face
        except GrafanaException as error:
            raise self._refused(what, error.status_code, error.response) from None
        except requests.Timeout:
            raise GrafanaError(f"{self.url}: no answer within {WITHIN:g} s (to {what})") from None
        except requests.exceptions.SSLError:
            raise GrafanaError(f"{self.url}: its certificate is not trusted, or it speaks no TLS") from None
        except requests.RequestException:
            raise GrafanaError(f"{self.url}: cannot be reached (grafana.url); does Grafana run there?") from None

    def _looked_at(self, response: requests.Response, **_: Any) -> None:
        """Nothing but JSON is passed on."""
        # Read to its end first: where we raise, its connection would stay open.
        body = response.content
        if 300 <= response.status_code < 400:
            to = urlsplit(response.headers.get("Location", ""))
            there = f" to {to.scheme}://{to.netloc}{to.path}" if to.netloc else f" to {to.path}"
            raise GrafanaError(f"{self.url}: sends one on{there} instead of answering: correct grafana.url")
        if response.status_code >= 500 and not _is_json(response):
            raise self._refused("answer", response.status_code, None)
        if not _is_json(response):
            kind = response.headers.get("Content-Type", "").partition(";")[0] if body else "nothing"
            raise GrafanaError(
                f"{self.url}: answers {response.status_code} with {kind or 'text'}, not JSON: it is no Grafana, or "
                "something is in front of it (grafana.url)",
                response.status_code,
            )

    def _refused(self, what: str, status: int, response: object) -> GrafanaError:
        told = response if isinstance(response, dict) else {}
        message, reason = _brief(told.get("message")), _brief(told.get("status"))
        said = f"{status}: {message}" if message else f"{status}"
        if status == 401:
            text = f"the token in {self._variable} is not valid, or has expired ({said})"
        elif status == 403:
            text = f"the token in {self._variable} may not {what} ({said}): its service account needs the role Editor"
        elif status == 404:
            text = f"there is nothing to {what} ({said})"
        elif status == 412:
            text = f"cannot {what}: it was changed meanwhile, or another has its name ({said})"
        elif status >= 500:
            text = f"Grafana failed to {what} ({said}): its log says why"
        else:
            text = f"Grafana refuses to {what} ({said})"
        return GrafanaError(f"{self.url}: {text}", status, reason)


def _is_json(response: requests.Response) -> bool:
    try:
        response.json()
    except ValueError:
        return False
    return True


def _brief(text: object) -> str:
    """A message in one line that a terminal can be given."""
    words = " ".join(str(text or "").split())
    return "".join(char for char in words if char.isprintable())[:_MOST]


def _token(variable: str, env: Mapping[str, str]) -> str:
    token = env.get(variable, "").strip()
    if not token:
        raise ConfigError(
            f"{variable}: is not set (grafana.token_env); it holds the token of a service account with the role Editor"
        )
    if not _TOKEN.fullmatch(token):
        raise ConfigError(f"{variable}: what it holds is no token (grafana.token_env)")
    return token
