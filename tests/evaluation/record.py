"""``python -m tests.evaluation.record``: make the recordings that are not there yet, in one process or several."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from streams.kpis.warm import warm
from tests.evaluation import recording, shop

Say = Callable[[str], None]


def _make(size: int, seed: int, with_incidents: bool) -> tuple[Path, float]:
    began = time.process_time()
    return recording.make(size, seed, with_incidents), time.process_time() - began


def complete(sizes: Iterable[int], seeds: Iterable[int], processes: int, say: Say) -> None:
    """Make what is missing, and say after each how long it took and what is left."""
    todo = recording.missing(sizes, seeds)
    if not todo:
        return
    warm()
    say(f"{len(todo)} recordings to make in {recording.folder()}")
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_make, *one) for one in todo]
        for number, one in enumerate(as_completed(waiting), 1):
            path, seconds = one.result()
            say(f"{number}/{len(todo)} {path.name} {seconds:.0f} s of processor time")


def sizes_in(text: str) -> list[int]:
    """``30,300`` as a list."""
    return [int(one) for one in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation.record", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--sizes", type=sizes_in, default=list(shop.SIZES), help="orders a day, like 30,300,3000")
    parser.add_argument("--processes", type=int, default=1)
    wanted = parser.parse_args()
    began = time.monotonic()
    complete(
        wanted.sizes,
        range(wanted.first, wanted.first + wanted.seeds),
        wanted.processes,
        lambda text: print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True),
    )


if __name__ == "__main__":
    main()
