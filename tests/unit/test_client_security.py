"""kafka.security in the words of each client library."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import faust
import msgspec
import pytest

from streams.config import Config, load_config
from streams.errors import BrokerError
from streams.runtime.security import Library, client_security

LIBRARIES: tuple[Library, ...] = ("kafka-python", "aiokafka", "faust")


def secured(**security: Any) -> Config:
    config = load_config(env={})
    changed = msgspec.structs.replace(config.kafka.security, **security)
    return msgspec.structs.replace(config, kafka=msgspec.structs.replace(config.kafka, security=changed))


@pytest.mark.parametrize("library", LIBRARIES)
def test_plaintext_needs_nothing(library: Library) -> None:
    assert client_security(secured(), library, {}) == {}


@pytest.mark.parametrize("library", LIBRARIES[:2])
def test_sasl_over_tls_has_name_password_mechanism_and_a_verifying_context(library: Library) -> None:
    config = secured(protocol="SASL_SSL", mechanism="SCRAM-SHA-256", username="ops", password_env="SECRET")
    settings = client_security(config, library, {"SECRET": "hush"})
    context = settings.pop("ssl_context")
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert settings == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "ops",
        "sasl_plain_password": "hush",
    }


def test_faust_is_given_credentials_that_its_aiokafka_driver_understands() -> None:
    from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

    config = secured(protocol="SASL_PLAINTEXT", mechanism="PLAIN", username="ops", password_env="SECRET")
    credentials = client_security(config, "faust", {"SECRET": "hush"})["broker_credentials"]
    assert credentials_to_aiokafka_auth(credentials)["sasl_plain_password"] == "hush"
    assert credentials_to_aiokafka_auth(credentials)["security_protocol"] == "SASL_PLAINTEXT"
    tls = client_security(secured(protocol="SSL"), "faust", {})["broker_credentials"]
    assert isinstance(tls, faust.SSLCredentials)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_missing_password_names_the_variable(library: Library) -> None:
    config = secured(protocol="SASL_PLAINTEXT", username="ops", password_env="SECRET")
    with pytest.raises(BrokerError, match="the environment variable SECRET is not set"):
        client_security(config, library, {})


def test_a_certificate_that_cannot_be_read_names_the_file(tmp_path: Path) -> None:
    absent = tmp_path / "ca.pem"
    with pytest.raises(BrokerError, match=r"kafka\.security: cannot load .*ca\.pem: No such file"):
        client_security(secured(protocol="SSL", ca_file=absent), "aiokafka", {})
    absent.write_text("not a certificate")
    with pytest.raises(BrokerError, match=r"kafka\.security: cannot load .*ca\.pem"):
        client_security(secured(protocol="SSL", ca_file=absent), "aiokafka", {})
