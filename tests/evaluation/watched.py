"""What watchers said of recordings, kept beside them: only what is new has to be watched.

A file is named by the recording, the watcher, and a hash of what it follows from beside those: the code of the
detectors, and the contract.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detectors.evaluation.watchers import WATCHERS
from tests.evaluation import recording
from tests.evaluation.trial import CONTRACT, Trial, Watched, watch
from tests.evaluation.truth import known

Say = Callable[[str], None]

FOLDER = "watched"
_LIBRARIES = ("river", "numpy", "scipy", "holidays")


class Shop(NamedTuple):
    """The recordings of a shop with incidents and without."""

    size: int
    seed: int
    troubled: Path
    usual: Path


def recorded(sizes: Iterable[int], seeds: Iterable[int], *, stale: bool = False) -> list[Shop]:
    """The shops that both recordings are there of: all sizes of a seed before the next seed."""
    found, sizes = [], list(sizes)
    for seed in seeds:
        for size in sizes:
            troubled = recording.find(size, seed, True, stale=stale)
            usual = recording.find(size, seed, False, stale=stale)
            if troubled and usual:
                found.append(Shop(size, seed, troubled, usual))
    return found


@cache
def code() -> bytes:
    """A hash of what all watchers follow from."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted((recording.ROOT / "detectors").rglob("*.py")):
        digest.update(str(path.relative_to(recording.ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    for name in _LIBRARIES:
        digest.update(f"{name} {version(name)}\0".encode())
    return digest.digest()


def path_of(of: Path, watcher: str, pages: float) -> Path:
    """Where what a watcher said of a recording is, or will be."""
    digest = hashlib.blake2b(code(), digest_size=6)
    digest.update(f"{watcher} {pages}".encode())
    return of.parent / FOLDER / f"{of.stem}-{watcher}-{digest.hexdigest()}.npz"


def save(path: Path, watched: Watched) -> None:
    """Write it; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    with draft.open("wb") as file:
        np.savez_compressed(file, **watched._asdict())
    draft.replace(path)


def load(path: Path) -> Watched:
    """Read what :func:`save` wrote."""
    with np.load(path) as held:
        return Watched(held["surprise"], held["alert"], float(held["seconds"]), int(held["points"]))


def _make(of: Path, watcher: str, pages: float) -> float:
    found = watch(recording.load(of), WATCHERS[watcher], pages)
    save(path_of(of, watcher, pages), found)
    return found.seconds


def complete(shops: Iterable[Shop], watchers: Iterable[str], processes: int, say: Say, pages: float = CONTRACT) -> None:
    """Watch what has not been watched yet, and say after each how long it took and what is left."""
    names = list(watchers)
    todo = [
        (of, name, pages)
        for shop in shops
        for of in (shop.troubled, shop.usual)
        for name in names
        if not path_of(of, name, pages).exists()
    ]
    if not todo:
        return
    began = time.monotonic()
    say(f"{len(todo)} recordings to watch")
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(_make, *one): one for one in todo}
        for number, done in enumerate(as_completed(waiting), 1):
            of, name, _ = waiting[done]
            left = (time.monotonic() - began) / number * (len(todo) - number)
            say(f"{number}/{len(todo)} {name}, {of.stem}: {done.result():.0f} s of processor time, {left:.0f} s left")


def trials(shops: Iterable[Shop], watcher: str, pages: float = CONTRACT) -> list[Trial]:
    """What a watcher said of shops, once :func:`complete` has been called, beside what is known of them."""
    return [_trial(shop, watcher, pages) for shop in shops]


def _trial(shop: Shop, watcher: str, pages: float) -> Trial:
    truth = _truth(shop)
    return truth._replace(
        troubled=load(path_of(shop.troubled, watcher, pages)), usual=load(path_of(shop.usual, watcher, pages))
    )


@cache
def _truth(shop: Shop) -> Trial:
    troubled, usual = recording.load(shop.troubled), recording.load(shop.usual)
    nothing = Watched(np.zeros((0, 0), dtype=np.float32), np.zeros((0, 0), dtype=np.bool_), 0.0, 0)
    return Trial(
        size=shop.size,
        seed=shop.seed,
        names=[series.name for series in troubled.series],
        starts=troubled.starts,
        known=known(troubled, usual, recording.definitions()),
        troubled=nothing,
        usual=nothing,
        usual_names=[series.name for series in usual.series],
    )
