"""``python -m tests.benchmarks.reliability``: recovery, a soak and bounds; docs/reliability.md with ``--publish``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from streams.errors import DaybookError
from tests.benchmarks import bounds as bounding
from tests.benchmarks import recovery
from tests.benchmarks.figures import median, table
from tests.benchmarks.laboratory import Laboratory
from tests.benchmarks.marketplace import Marketplace, continuous
from tests.benchmarks.memory import Sample, Sampler, flatness
from tests.benchmarks.report import DOCS, put
from tests.benchmarks.waiting import read

PARTS = ("recovery", "bounds", "soak")
PAGE = DOCS / "reliability.md"
PLOT = DOCS / "img" / "soak.png"
BACKLOG = 500_000
SPAN = 72 * 3_600.0
"""Seconds of event time of a soak: its second half has full windows of 24 hours."""
LIVES = {"lifecycle": {"keep_ended": "4h", "keep_open": "400d"}}
REGIONS = 27
"""With ten million events in that span: 100,000 orders are remembered, soon after the beginning, of 1,000 series."""


def recoveries(lab: Laboratory, orders: int, runs: int) -> str:
    """The table of all runs."""
    found = [recovery.measure(lab, orders, number) for number in range(1, runs + 1)]
    columns = list(zip(*found, strict=True))
    rows: list[tuple[object, ...]] = [(str(number), *one) for number, one in enumerate(found, 1)]
    rows += [("median", *map(median, columns)), ("max", *map(max, columns))]
    head = ("run", "answers", "has all partitions", "processing", "exact", "state of a partition")
    return f"Seconds since SIGKILL, {orders:,} open orders.\n\n{table(head, rows)}"


def soak(lab: Laboratory, events: int) -> str:
    """A worker that reads while it is sent to, then one that finds all of it waiting."""
    setup = lab.setup("soak", LIVES)
    start = int((time.time() - SPAN - 3_600) * 1000)
    load = continuous(Marketplace(events=events, start=start, rate=events / SPAN, regions=REGIONS))
    with lab.worker(setup) as worker, Sampler(worker) as sampler:
        sent = lab.send(setup, load, lambda count: read(worker, count - BACKLOG))
        read(worker, sent.events)
        series = worker.total("daybook_series")
    lab.forget(setup)
    with lab.worker(lab.setup("soak", LIVES)) as worker, Sampler(worker) as burst:
        read(worker, sent.events)
    _plot(sampler.samples, burst.samples)
    rows = []
    for name, samples in (("sent as it is read", sampler.samples), ("all waiting", burst.samples)):
        found = flatness(samples)
        most = max(one.resident for one in samples)
        flat = "yes" if found.flat else "**no**"
        cases = max(one.cases for one in samples)
        rows.append((name, cases, most, samples[-1].resident, found.slope, found.above, flat))
    head = (
        *(
            "load",
            "most orders remembered",
            "peak MiB",
            "at the end MiB",
            "MiB per million events",
            "above the median MiB",
        ),
        "flat after warm-up",
    )
    what = f"{sent.events:,} events, {series:,.0f} series."
    return f"{what}\n\n{table(head, rows)}\n\n![Memory over events](img/{PLOT.name})"


def bounds(lab: Laboratory, size: int) -> str:
    """The table of all situations."""
    found = [bounding.measure(lab, one) for one in bounding.situations(size)]
    head = (
        "situation",
        "events",
        "MiB before",
        "peak MiB",
        "at the end MiB",
        "MiB per million events",
        "values folded",
    )
    return table(head, [tuple(one) for one in found])


def _plot(soaked: list[Sample], burst: list[Sample]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 4.2))
    for label, samples in (("sent as it is read", soaked), ("all waiting", burst)):
        axes.plot([one.events / 1e6 for one in samples], [one.resident for one in samples], label=label)
    axes.set_xlabel("million events")
    axes.set_ylabel("resident memory, MiB")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, dpi=120)
    plt.close(figure)


def main() -> int:
    """Run the chosen parts, and print them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reliability", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=2_000_000, help="events of each of the situations of bounds")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--publish", action="store_true", help="write the figures to docs/reliability.md")
    wanted = parser.parse_args()
    measure: dict[str, Callable[[Laboratory], str]] = {
        "recovery": lambda lab: recoveries(lab, wanted.orders, wanted.runs),
        "bounds": lambda lab: bounds(lab, wanted.size),
        "soak": lambda lab: soak(lab, wanted.events),
    }
    began = time.monotonic()
    try:
        for part in wanted.only or PARTS:
            with Laboratory(lambda text: print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)) as lab:
                text = measure[part](lab)
            print(text, flush=True)
            if wanted.publish:
                PAGE.write_text(put(part, text, PAGE.read_text()))
    except (DaybookError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
