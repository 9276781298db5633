"""Pseudonyms: how a customer is recognised again without anyone being named.

The reference is a keyed BLAKE2b digest of the shop's own customer id. Without the key, which stays with the
operator, nobody can go from one to the other, not even by trying all ids. Losing the key makes every customer
a new one.

Source: RFC 7693.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from streams.errors import ConfigError, ContractError

__all__ = ["KEY_FILE", "KEY_VARIABLE", "customer_key", "pseudonym"]

KEY_VARIABLE = "DAYBOOK_CUSTOMER_KEY"
KEY_FILE = "customer.key"

_KEY_BYTES = 32
_SHORTEST_KEY, _LONGEST_KEY = 16, blake2b.MAX_KEY_SIZE
_EXPECTED = (
    f"{2 * _SHORTEST_KEY} to {2 * _LONGEST_KEY} hexadecimal digits, as from: "
    f"python -c 'import secrets; print(secrets.token_hex({_KEY_BYTES}))'"
)


def pseudonym(customer_id: str, key: bytes) -> str:
    """The reference of the customer the shop knows as ``customer_id``: 32 hexadecimal digits.

    Every character counts: trim and unify ids before. Raises :class:`ContractError` for an empty id or one
    that cannot be UTF-8, and :class:`ConfigError` for a key of an unfit length (16 to 64 bytes).
    """
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise ConfigError(f"customer key: {len(key)} bytes (expected {_SHORTEST_KEY} to {_LONGEST_KEY})")
    if not customer_id:
        raise ContractError("customer: the id is empty")
    try:
        encoded = customer_id.encode()
    except UnicodeEncodeError:
        raise ContractError(f"customer: {customer_id!a} cannot be encoded in UTF-8") from None
    return blake2b(encoded, key=key, digest_size=16).hexdigest()


def customer_key(data_dir: Path, env: Mapping[str, str] = os.environ) -> bytes:
    """The operator's key: from ``$DAYBOOK_CUSTOMER_KEY``, else from ``customer.key`` in ``data_dir``.

    Where there is neither, a new key is written to that file, readable by its owner only. Processes that
    start at the same time agree on one key. Raises :class:`ConfigError` for what is no key or a folder that
    cannot be used.
    """
    if text := env.get(KEY_VARIABLE, "").strip():
        return _parse(text, f"${KEY_VARIABLE}")
    path = data_dir / KEY_FILE
    try:
        return _parse(path.read_text("ascii").strip(), str(path))
    except FileNotFoundError:
        return _create(path)
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a key (expected {_EXPECTED})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _parse(text: str, where: str) -> bytes:
    # The text itself is a secret and stays out of the message.
    try:
        key = bytes.fromhex(text)
    except ValueError:
        raise ConfigError(f"{where}: not a key (expected {_EXPECTED})") from None
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise ConfigError(f"{where}: a key of {len(key)} bytes (expected {_EXPECTED})")
    return key


def _create(path: Path) -> bytes:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(_KEY_BYTES) + "\n")
                file.flush()
                os.fsync(file.fileno())
            # Unlike a rename, a link does not replace the key another process was faster to write.
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            os.unlink(draft)
        return _parse(path.read_text("ascii").strip(), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: the customer key cannot be written: {error.strerror}") from None
