"""Signatures of webhooks, after https://www.standardwebhooks.com: HMAC-SHA256 of ``id.timestamp.body``."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
LEAST_BYTES = 24
MOST_BYTES = 64


def key_of(secret: str) -> bytes:
    """The key in a secret written ``whsec_`` and base64. Raises ``ValueError`` with what is wrong, never with the
    secret in it."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"does not begin with {PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"has something after {PREFIX} that is not base64") from None
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(f"has a key of {len(key)} bytes (expected {LEAST_BYTES} to {MOST_BYTES})")
    return key


def sign(key: bytes, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers that say who sent a body, and when (epoch seconds)."""
    signed = f"{message}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {"webhook-id": message, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
