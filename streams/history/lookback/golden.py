"""Golden incidents as folders: the events around each as the archive has them, and what is to be found."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

from detectors.incidents.incident import Incident
from detectors.lookback.golden import About, Expected, Outcome, failures, outcome
from streams.errors import DaybookError
from streams.history.archive.files import pieces_in
from streams.history.archive.layout import Piece, chosen, day_of
from streams.history.lookback.judging import judged
from streams.history.replay.source import Source, source_of
from streams.kpis.grid import DAY_MS

if TYPE_CHECKING:
    from streams.config import Config

BEFORE_MS = 35 * DAY_MS
"""So much history is kept before an incident: what is new is doubted for two weeks, and a threshold remembers four."""
AFTER_MS = DAY_MS
"""And so much after it: what is late arrives, and its last hours are shown to be over."""
_ABOUT, _EVENTS = "golden.json", "events"


class GoldenError(DaybookError):
    """There is no such golden incident, it cannot be kept, or its folder is damaged: the message names it."""


class Golden(Struct, frozen=True):
    """The file beside the events: what the incident was, and what is to be found."""

    id: str
    title: str
    about: About
    expected: Expected


class Checked(NamedTuple):
    """A golden incident, what was found of it, and in words what is worse than expected."""

    golden: Golden
    found: Outcome
    failures: tuple[str, ...]


def names(folder: Path) -> list[str]:
    """The golden incidents in a folder."""
    return sorted(path.parent.name for path in folder.glob(f"[!.]*/{_ABOUT}"))


def read(folder: Path, name: str) -> Golden:
    """One of them. Raises :class:`GoldenError`."""
    path = _place(folder, name) / _ABOUT
    try:
        return msgspec.json.decode(path.read_bytes(), type=Golden)
    except OSError:
        known = ", ".join(names(folder)) or "none"
        raise GoldenError(f"{name}: no such golden incident in {folder} (there are: {known})") from None
    except msgspec.MsgspecError as error:
        raise GoldenError(f"{path}: {error}") from None


def _place(folder: Path, name: str) -> Path:
    if not name or name.startswith(".") or Path(name).name != name:
        raise GoldenError(f"{name!r}: is no id of an incident")
    return folder / name


def remove(folder: Path, name: str) -> None:
    """Forget one, events and all. Raises :class:`GoldenError`."""
    read(folder, name)
    gone = folder / f".{name}.{os.getpid()}.part"
    (folder / name).rename(gone)
    shutil.rmtree(gone)


def add(
    config: Config, archive: Path, folder: Path, incident: Incident, before: int = BEFORE_MS, within: int | None = None
) -> Golden:
    """Keep an incident: the events from ``before`` (ms) before it to a day after, and what a replay of them under the
    configuration finds. It is expected as early as it is found, or ``within`` so long (ms).

    Raises :class:`GoldenError` where the replay does not find it, or it is there already; then nothing is written.
    """
    about, place = About.of(incident), _place(folder, incident.id)
    if not about.kpis:
        raise GoldenError(f"{incident.id}: no KPI was told of; only what alerts can be expected to be found")
    if place.exists():
        raise GoldenError(f"{place}: is there already (daybook golden rm {incident.id})")
    draft = folder / f".{incident.id}.{os.getpid()}.part"
    try:
        _copy(archive, draft / _EVENTS, about.since - before, about.until + AFTER_MS)
        found = run(config, source_of(draft / _EVENTS), about)
        if found.alert is None:
            raise GoldenError(
                f"{incident.id}: is not found in a replay of its events under {config.source} "
                "(keep more --before it, or look why: daybook missed)"
            )
        took = found.alert.end - about.since if within is None else within
        golden = Golden(incident.id, incident.title, about, Expected(took, found.cause or "", len(found.others)))
        worse = failures(about, golden.expected, found)
        if worse:
            raise GoldenError(f"{incident.id}: {worse[0]}")
        (draft / _ABOUT).write_bytes(msgspec.json.format(msgspec.json.encode(golden)) + b"\n")
        draft.replace(place)
    except OSError as error:
        raise GoldenError(f"{place}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return golden


def _copy(archive: Path, to: Path, since: int, until: int) -> None:
    """The files of the days of a time, and the whole calendar."""
    first, last = day_of(since), day_of(until)
    wanted = [
        piece
        for piece in chosen(pieces_in(archive))
        if piece.log.topic == "calendar" or (piece.log.topic != "feedback" and first <= piece.day <= last)
    ]
    if not any(piece.log.topic != "calendar" for piece in wanted):
        raise GoldenError(f"{archive}: nothing is archived from {first} to {last} (daybook archive ls)")
    for piece in wanted:
        path = to / piece.name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(archive / piece.name, path)


def events_of(folder: Path, name: str) -> Source:
    """The events of one. Raises :class:`~streams.history.replay.source.ReplayError` where they are gone."""
    return source_of(_place(folder, name) / _EVENTS)


def first_day(archive: Path) -> Piece | None:
    """The oldest file of events of an archive."""
    events = [one for one in pieces_in(archive) if one.log.topic not in ("calendar", "feedback")]
    return min(events, key=lambda one: one.day, default=None)


def run(config: Config, source: Source, about: About) -> Outcome:
    """What a replay under a configuration makes of an incident."""
    told = judged(config, source)
    return outcome(about, told.alerts, told.incidents)


def check(config: Config, folder: Path, wanted: list[str]) -> Iterator[Checked]:
    """Replay golden incidents under a configuration, one after the other. Raises :class:`GoldenError`."""
    for name, golden in [(name, read(folder, name)) for name in wanted]:
        found = run(config, events_of(folder, name), golden.about)
        yield Checked(golden, found, tuple(failures(golden.about, golden.expected, found)))
