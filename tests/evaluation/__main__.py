"""``python -m tests.evaluation``: detectors on shops, series with faults put in, labelled series and real data, what
alerts are grouped into, forecasts of missed promises, and tuning; the pages under docs that say so rewritten."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from streams.errors import DaybookError
from tests.benchmarks.report import DOCS, put
from tests.evaluation import faults, grouped_report, nab, promises, real_report, shop, shops, tuned_report
from tests.evaluation.record import sizes_in

PAGE = DOCS / "detection.md"
IMAGES = DOCS / "img"
PAGES = {"incidents": DOCS / "incidents.md", "promises": DOCS / "casework.md", "tuning": DOCS / "tuning.md"}
"""Of the parts that are on another page."""
PARTS = ("shops", "faults", "nab", "real", "incidents", "promises", "tuning")


def main() -> int:
    """Evaluate, print, and rewrite the page part by part."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--dry-run", action="store_true", help="print, and leave the page and plots as they are")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at once (shops, faults)")
    parser.add_argument("--seeds", type=int, default=20, help="how many shops of each size")
    parser.add_argument("--sizes", type=sizes_in, default=list(shop.SIZES), help="orders a day, like 30,300,3000")
    parser.add_argument(
        "--stale", action="store_true", help="the shops that are recorded, also by other code, and no others"
    )
    parser.add_argument("--series", type=Path, default=nab.SERIES, help="a folder in NAB's layout")
    wanted = parser.parse_args()
    images = None if wanted.dry_run else IMAGES
    if images is not None:
        images.mkdir(parents=True, exist_ok=True)
    measures: dict[str, Callable[[], str]] = {
        "shops": lambda: shops.measure(
            wanted.sizes, range(1, wanted.seeds + 1), wanted.processes, images, stale=wanted.stale
        ),
        "faults": lambda: faults.measure(wanted.processes),
        "nab": lambda: nab.measure(wanted.series, images),
        "real": lambda: real_report.measured(images),
        "incidents": lambda: grouped_report.measure(
            wanted.sizes, range(1, wanted.seeds + 1), wanted.processes, stale=wanted.stale
        ),
        "promises": lambda: promises.measure(wanted.processes, images),
        "tuning": lambda: tuned_report.measure(
            range(1, wanted.seeds + 1), wanted.processes, images, stale=wanted.stale
        ),
    }
    for part in [wanted.only] if wanted.only else PARTS:
        try:
            text = measures[part]()
        except DaybookError as error:
            print(error, file=sys.stderr)
            return 1
        print(text)
        if not wanted.dry_run:
            page = PAGES.get(part, PAGE)
            page.write_text(put(part, text, page.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
