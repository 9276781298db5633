"""The instance that runs in a data folder: at most one per namespace, and others can find its addresses.

A locked file says that it runs, so nothing stale is ever believed: the lock goes with the process, however
it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from streams.errors import DaybookError


def _lock(data_dir: Path, namespace: str) -> Path:
    return data_dir / "run" / f"{namespace}.lock"


def _facts_file(data_dir: Path, namespace: str) -> Path:
    return data_dir / "run" / f"{namespace}.json"


class InstanceError(DaybookError):
    """Another instance runs in the same data folder, under the same namespace."""


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """What runs: the process, the namespace, and where its broker and its worker's metrics are."""

    pid: int
    namespace: str
    bootstrap: str
    metrics: str


@contextlib.contextmanager
def claimed(data_dir: Path, namespace: str) -> Iterator[None]:
    """Hold the namespace in the data folder for this process. Raises :class:`InstanceError` where another
    one does."""
    try:
        lock = _lock(data_dir, namespace)
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a")
    except OSError as error:
        raise InstanceError(f"{data_dir}: cannot write there ({error.strerror})") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = _facts(data_dir, namespace)
            who = f" (pid {other.pid}, broker {other.bootstrap})" if other else ""
            raise InstanceError(
                f"{data_dir}: Daybook already runs here{who}; stop it first, or use another --namespace or data "
                "folder (DAYBOOK_DATA_DIR)"
            ) from None
        try:
            yield
        finally:
            _facts_file(data_dir, namespace).unlink(missing_ok=True)


def announce(data_dir: Path, instance: Instance) -> None:
    """Write down the facts; call it while the namespace is :func:`claimed`."""
    file = _facts_file(data_dir, instance.namespace)
    fresh = file.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(msgspec.json.encode(instance))
    fresh.replace(file)


def running(data_dir: Path, namespace: str) -> Instance | None:
    """The instance that runs in the folder under this namespace, if one does."""
    try:
        with _lock(data_dir, namespace).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _facts(data_dir, namespace)
    except OSError:
        return None
    return None


def _facts(data_dir: Path, namespace: str) -> Instance | None:
    try:
        return msgspec.json.decode(_facts_file(data_dir, namespace).read_bytes(), type=Instance)
    except (OSError, msgspec.MsgspecError):
        return None
