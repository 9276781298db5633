"""``python -m tests.benchmarks``: measure, print, and write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from streams.config import load_config
from streams.errors import DaybookError
from tests.benchmarks import core, latency, replay, report, scaling, throughput
from tests.benchmarks.laboratory import DEFAULTS, Laboratory
from tests.benchmarks.marketplace import recording

RATES = (1_000, 20_000)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", choices=report.PARTS, action="append", help="this part only (may be repeated)")
    parser.add_argument("--events", type=int, default=1_500_000, help="events of the throughput benchmark")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small sizes, one run: to see that it works")
    parser.add_argument("--no-kafka", action="store_true", help="only what needs no broker")
    parser.add_argument("--dry-run", action="store_true", help="print, and leave the page as it is")
    return parser.parse_args()


def main() -> int:
    """Run the chosen parts. A part that fails leaves the others' results written."""
    wanted = _arguments()
    parts = wanted.only or list(report.PARTS)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)

    page = report.PAGE.read_text()
    failed = 0
    for part in parts:
        say(f"— {part} —")
        try:
            text = _MEASURE[part](wanted, say)
        except DaybookError as error:
            print(f"{part}: {error}", file=sys.stderr)
            failed += 1
            continue
        print(text, flush=True)
        page = report.put(part, text, page)
        if not wanted.dry_run:
            report.PAGE.write_text(page)
    return 1 if failed else 0


def _throughput(wanted: argparse.Namespace, say: Callable[[str], None]) -> str:
    events = 200_000 if wanted.quick else wanted.events
    runs = 1 if wanted.quick else wanted.runs
    with Laboratory(say) as lab:
        market = recording(events, int(time.time() * 1000))
        found = throughput.measure(lab, market, runs, 20.0)
    if not wanted.dry_run:
        report.plot_engines(found)
    return report.throughput(found)


def _core(wanted: argparse.Namespace, say: Callable[[str], None]) -> str:
    load = core.pieces_of(recording(100_000 if wanted.quick else 500_000, int(time.time() * 1000)).records())
    definitions = load_config(DEFAULTS, {}).definitions()
    return report.core(core.measure(definitions, load, wanted.runs), core.profile(definitions, load))


def _scaling(wanted: argparse.Namespace, say: Callable[[str], None]) -> str:
    events = 50_000 if wanted.quick else 200_000
    found = scaling.measure(events, 1 if wanted.quick else wanted.runs, say)
    corners = []
    if not wanted.no_kafka:
        with Laboratory(say) as lab:
            corners = scaling.measure_corners(lab, 2 * events)
    if not wanted.dry_run:
        report.plot_scaling(found)
    return report.scaling(found, corners)


def _latency(wanted: argparse.Namespace, say: Callable[[str], None]) -> str:
    with Laboratory(say) as lab:
        return report.latency([latency.measure(lab, rate, 6.0 if wanted.quick else 20.0) for rate in RATES])


def _replay(wanted: argparse.Namespace, say: Callable[[str], None]) -> str:
    config, found = load_config(DEFAULTS, {}), []
    with tempfile.TemporaryDirectory() as folder:
        archive = replay.make_archive(Path(folder), 400_000 if wanted.quick else 10_000_000)
        say("the archive is written")
        for what, detect, processes in replay.CASES:
            for _ in range(1 if wanted.quick else wanted.runs):
                found.append((what, replay.measure(config, archive, detect, processes)))
                say(f"{what}: {found[-1][1].rate:,.0f} records/s")
        lines = replay.profile(config, archive)
    return report.replayed(found, lines)


_MEASURE: dict[str, Callable[[argparse.Namespace, Callable[[str], None]], str]] = {
    "throughput": _throughput,
    "core": _core,
    "scaling": _scaling,
    "latency": _latency,
    "replay": _replay,
}

if __name__ == "__main__":
    sys.exit(main())
