"""How a client proves who it is: ``kafka.security`` in the words of each client library."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from streams.errors import BrokerError

if TYPE_CHECKING:
    from streams.config import Config

Library = Literal["kafka-python", "aiokafka", "faust"]


def client_security(config: Config, library: Library, env: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The keyword arguments that make a client of ``library`` fulfil ``config.kafka.security``.

    For faust they are arguments of ``faust.App``. Empty for PLAINTEXT. The password is read from the
    environment variable that the configuration names, never from a file. Raises :class:`BrokerError` where a
    certificate or the password is missing.
    """
    security = config.kafka.security
    protocol = security.protocol
    if protocol == "PLAINTEXT":
        return {}
    context = _ssl_context(security) if protocol.endswith("SSL") else None
    sasl = protocol.startswith("SASL")
    password = _password(security, env) if sasl else None
    if library == "faust":
        return {"broker_credentials": _faust_credentials(security, context, password if sasl else None)}
    settings: dict[str, Any] = {"security_protocol": protocol}
    if context is not None:
        settings["ssl_context"] = context
    if sasl:
        settings |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": password,
        }
    return settings


def _ssl_context(security: Any) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=security.ca_file and str(security.ca_file))
        if security.cert_file:
            key_file = security.key_file and str(security.key_file)
            context.load_cert_chain(str(security.cert_file), key_file)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(f) for f in (security.ca_file, security.cert_file, security.key_file) if f)
        raise BrokerError(f"kafka.security: cannot load {files}: {error.strerror or error}") from None
    return context


def _password(security: Any, env: Mapping[str, str]) -> str:
    if not security.password_env:
        raise BrokerError(
            f"kafka.security.password_env: {security.protocol} needs the name of the environment "
            "variable that holds the password"
        )
    if security.password_env not in env:
        raise BrokerError(f"kafka.security.password_env: the environment variable {security.password_env} is not set")
    return env[security.password_env]


def _faust_credentials(security: Any, context: ssl.SSLContext | None, password: str | None) -> Any:
    import faust  # slow to import, and only the worker needs it

    if password is None:
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=security.username, password=password, ssl_context=context, mechanism=security.mechanism
    )
