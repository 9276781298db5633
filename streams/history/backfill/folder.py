"""The data folder of a Prometheus: what may be put into it, and blocks moved in as a whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from streams.errors import DaybookError
from streams.kpis.grid import HOUR_MS

NOTES = "daybook-backfill.jsonl"
"""What was put into the folder, a line each time. Prometheus makes other blocks of ours, so they do not tell."""
PENDING = "daybook-backfill.pending"
"""Which blocks are being moved in, while they are."""
BLOCK_MS = 2 * HOUR_MS
"""The span of Prometheus's shortest blocks, which begin at multiples of it."""
HEAD_MS = 3 * HOUR_MS
"""So far back from its newest sample, to the beginning of a block, reaches what Prometheus has made no block of yet."""
BLOCKS = "blocks"
"""Where in a draft they are made."""
_DRAFT = ".daybook-backfill.part"


class BackfillError(DaybookError):
    """Prometheus's history cannot be filled in: the message names the folder or the program, and what to do."""


class Note(msgspec.Struct, frozen=True):
    """Samples of one ``job`` from ``since`` up to and with ``until`` (epoch ms)."""

    job: str
    since: int
    until: int
    samples: int


class Pending(msgspec.Struct, frozen=True):
    """The ``blocks`` that a note is about, by name; ``size`` is that of the notes before it, bytes."""

    note: Note
    blocks: list[str]
    size: int


class Folder(NamedTuple):
    """A data folder that is held for this process. ``draft`` is on the same file system, and gone afterwards."""

    path: Path
    draft: Path

    def notes(self) -> list[Note]:
        """What was put into it. Raises :class:`BackfillError` where the notes are damaged."""
        file = self.path / NOTES
        try:
            return [msgspec.json.decode(line, type=Note) for line in file.read_bytes().splitlines()]
        except (OSError, msgspec.MsgspecError) as error:
            raise BackfillError(
                f"{file}: cannot be read ({error}); it says what has been filled in, a line each time"
            ) from None

    def closed_until(self, now: int) -> int:
        """The time (epoch ms) before which samples may be put in.

        Of what is newer Prometheus has not made a block yet, but keeps a log. When it starts it reads of that only what
        is newer than its newest block: with one of ours there the rest would be lost.
        """
        written = [file.stat().st_mtime for file in (self.path / "wal").glob("[0-9]*")]
        # The oldest file of the log: a Prometheus that stood still has old and new ones.
        return (min(now, int(min(written) * 1000)) - HEAD_MS) // BLOCK_MS * BLOCK_MS if written else now

    def move_in(self, blocks: list[Path], note: Note, now: int) -> None:
        """Move blocks to their place and note it: all or none. Where the process is killed meanwhile, whoever holds the
        folder next does the rest. ``now`` as for :meth:`closed_until`. Raises :class:`BackfillError`."""
        if note.until >= self.closed_until(now):
            raise BackfillError(f"{self.path}: a Prometheus has begun there in the meantime; run this again")
        size = (self.path / NOTES).stat().st_size
        pending = Pending(note, [block.name for block in blocks], size)
        try:
            for block in blocks:
                _belongs_to_owner_of(self.path, block)
            _write(self.path / PENDING, msgspec.json.encode(pending))
            self._finish(pending)
        except BaseException as error:
            for name in pending.blocks:
                if not (self.draft / BLOCKS / name).exists():
                    (self.path / name).rename(self.draft / BLOCKS / name)
            os.truncate(self.path / NOTES, size)
            (self.path / PENDING).unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise BackfillError(f"{self.path}: blocks cannot be put there ({error.strerror})") from None
            raise

    def _finish(self, pending: Pending) -> None:
        """Move in what is still in the draft, and note it."""
        for name in pending.blocks:
            if (self.draft / BLOCKS / name).exists():
                (self.draft / BLOCKS / name).rename(self.path / name)
        os.truncate(self.path / NOTES, pending.size)
        _write(self.path / NOTES, msgspec.json.encode(pending.note) + b"\n", "ab")
        (self.path / PENDING).unlink()

    def resume(self) -> None:
        """Do the rest of what another process was killed in. Raises :class:`BackfillError`."""
        file = self.path / PENDING
        try:
            self._finish(msgspec.json.decode(file.read_bytes(), type=Pending))
        except FileNotFoundError:
            return
        except msgspec.MsgspecError:  # it was killed before it had moved anything
            file.unlink()
        except OSError as error:
            raise _unwritable(self.path, error) from None


def _write(path: Path, what: bytes, mode: Literal["wb", "ab"] = "wb") -> None:
    with path.open(mode) as file:
        file.write(what)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def held(path: Path) -> Iterator[Folder]:
    """Hold a data folder for this process; a Prometheus may run on it. Raises :class:`BackfillError` where it is none,
    another process holds it, or nothing can be written there."""
    _check(path)
    draft = path / _DRAFT
    try:
        file = (path / NOTES).open("ab")
    except OSError as error:
        raise _unwritable(path, error) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackfillError(f"{path}: another daybook backfill is at work there") from None
        try:
            folder = Folder(path, draft)
            folder.resume()
            shutil.rmtree(draft, ignore_errors=True)  # of one that was killed
            try:
                draft.mkdir()
                _belongs_to_owner_of(path, path / NOTES)
            except OSError as error:
                raise _unwritable(path, error) from None
            yield folder
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            if os.fstat(file.fileno()).st_size == 0:
                (path / NOTES).unlink(missing_ok=True)


def _check(path: Path) -> None:
    try:
        names = {entry.name for entry in path.iterdir()} - {NOTES, PENDING, _DRAFT, "lost+found"}
        blocks = any((path / name / "meta.json").is_file() for name in names)
        owner = path.stat().st_uid
    except OSError as error:
        hint = "; make an empty folder for a Prometheus that is new" if isinstance(error, FileNotFoundError) else ""
        raise BackfillError(f"{path}: cannot be read ({error.strerror}){hint}") from None
    if names and not blocks and "wal" not in names:
        raise BackfillError(
            f"{path}: is no data folder of Prometheus: neither a wal nor a block is in it (what its "
            "--storage.tsdb.path says is meant)"
        )
    if os.geteuid() not in (0, owner):
        raise BackfillError(
            f"{path}: belongs to another user (uid {owner}), who could not remove blocks again that are yours; "
            "run this as that user or as root"
        )


def _unwritable(path: Path, error: OSError) -> BackfillError:
    return BackfillError(f"{path}: cannot be written ({error.strerror})")


def _belongs_to_owner_of(folder: Path, what: Path) -> None:
    """Only root can, and only then is it needed."""
    if os.geteuid() != 0:
        return
    of = folder.stat()
    for path in (what, *what.rglob("*")):
        os.chown(path, of.st_uid, of.st_gid)
