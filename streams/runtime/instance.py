"""The instance that runs in a data folder: at most one, and others can find its addresses.

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

_LOCK, _FACTS = "run.lock", "run.json"


class InstanceError(DaybookError):
    """Another instance runs in the same data folder."""


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """What runs: the process, the namespace, and where its broker and its worker's metrics are."""

    pid: int
    namespace: str
    bootstrap: str
    metrics: str


@contextlib.contextmanager
def claimed(data_dir: Path) -> Iterator[None]:
    """Hold the data folder for this process. Raises :class:`InstanceError` where another one runs in it."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        file = (data_dir / _LOCK).open("a")
    except OSError as error:
        raise InstanceError(f"{data_dir}: cannot write there ({error.strerror})") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = _facts(data_dir)
            who = f" (pid {other.pid}, broker {other.bootstrap})" if other else ""
            raise InstanceError(
                f"{data_dir}: Daybook already runs here{who}; stop it first, or use another data folder "
                "(data_dir in daybook.yaml, or DAYBOOK_DATA_DIR)"
            ) from None
        try:
            yield
        finally:
            (data_dir / _FACTS).unlink(missing_ok=True)


def announce(data_dir: Path, instance: Instance) -> None:
    """Write down the facts; call it while the folder is :func:`claimed`."""
    fresh = data_dir / f"{_FACTS}.{os.getpid()}"
    fresh.write_bytes(msgspec.json.encode(instance))
    fresh.replace(data_dir / _FACTS)


def running(data_dir: Path) -> Instance | None:
    """The instance that runs in the folder, if one does."""
    try:
        with (data_dir / _LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _facts(data_dir)
    except OSError:
        return None
    return None


def _facts(data_dir: Path) -> Instance | None:
    try:
        return msgspec.json.decode((data_dir / _FACTS).read_bytes(), type=Instance)
    except (OSError, msgspec.MsgspecError):
        return None
