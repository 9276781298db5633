"""docs/benchmarks.md and its plot, from what was measured. Each part stands between two marks and is replaced alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.core import Cost, Line
from tests.benchmarks.figures import median, quantity, spread, table
from tests.benchmarks.latency import Latency
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.scaling import Corner, Measured
from tests.benchmarks.throughput import Throughput

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "benchmarks.md"
PLOT = DOCS / "img" / "benchmark-scaling.png"
PARTS = ("throughput", "core", "scaling", "latency")


def put(part: str, text: str, page: str) -> str:
    """The page with a part replaced. Raises ``ValueError`` where the page has no marks for it."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    if begin not in page or end not in page:
        raise ValueError(f"no marks for {part!r} in the page")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n{_stamp()}\n\n{text.strip()}\n{end}", page)


def _stamp() -> str:
    return f"Measured {datetime.now(UTC):%Y-%m-%d}: {describe_machine()}."


def throughput(found: Throughput) -> str:
    """Runs side by side, medians, and what the worker's threads were doing."""
    rows: list[tuple[object, ...]] = [
        ("Daybook worker", number, run.rate, run.cpu, run.busiest, run.broker_cpu, run.micros, run.memory)
        for number, run in enumerate(found.runs, 1)
    ]
    rows += [
        ("stock Faust", number, run.rate, run.cpu, "-", "-", run.micros, run.memory)
        for number, run in enumerate(found.peers, 1)
    ]
    ours, theirs = median([run.rate for run in found.runs]), median([run.rate for run in found.peers])
    ratios = [mine.rate / peer.rate for mine, peer in zip(found.runs, found.peers, strict=True)]
    head = ("what", "run", "events/s", "cores", "busiest thread", "broker cores", "CPU µs/event", "peak MiB")
    busy = "\n".join(
        f"- thread {number}: " + ", ".join(f"{stage} {share:.0%}" for stage, share in thread.items() if share >= 0.02)
        for number, thread in enumerate(found.threads, 1)
        if len(thread) > 1
    )
    return (
        f"{found.sent.events:,} events of {found.sent.bytes / found.sent.records:.0f} bytes on average, "
        f"{found.runs[0].series:,} series.\n\n{table(head, rows)}\n\n"
        f"Median: **{quantity(ours)} events/s** for a Daybook worker (all default KPIs), {quantity(theirs)} for stock "
        f"Faust (count, sum, p95 per region and minute), {quantity(median(ratios))} times as many "
        f"(run by run: {spread(ratios)}).\n\n"
        f"Where the worker's threads were, by sampling:\n\n{busy}"
    )


def core(cost: Cost, lines: Iterable[Line]) -> str:
    """Stages and the profile."""
    stages = [(stage, micros, f"{micros / cost.total:.0%}") for stage, micros in cost.micros.items()]
    rows = [(f"{line.share:.0%}", line.calls, f"`{line.where}`") for line in lines]
    return (
        f"{quantity(cost.total)} µs an event of one core, that is {quantity(1e6 / cost.total)} events/s at the most; "
        f"{quantity(cost.cells / cost.events)} cells drained an event, {cost.series:,} series.\n\n"
        f"{table(('stage', 'µs/event', 'share'), stages)}\n\nUnder Python's profiler, by time in the function "
        f"itself:\n\n{table(('share', 'calls', 'function'), rows)}"
    )


def scaling(found: list[Measured], corners: list[Corner]) -> str:
    """The table of the core alone, and the corners through Kafka."""
    rows = [
        (one.case.kpis, one.case.dimensions, one.cost.series, one.cost.total, *one.cost.micros.values())
        for one in found
    ]
    head = ("KPIs", "dimensions", "series", "µs/event", "decode", "kernel", "drain", "book", "values")
    text = f"{table(head, rows)}\n\n![Cost of an event as work grows](img/benchmark-scaling.png)"
    if corners:
        through = [
            (one.case.kpis, one.case.dimensions, one.run.series, one.run.rate, one.run.micros, one.run.memory)
            for one in corners
        ]
        head = ("KPIs", "dimensions", "series", "events/s", "CPU µs/event", "peak MiB")
        text += f"\n\nThrough Apache Kafka, one run each:\n\n{table(head, through)}"
    return text


def latency(found: list[Latency]) -> str:
    """Percentiles by rate."""
    rows = [
        (one.rate, len(one.millis), one.at(0.5), one.at(0.99), max(one.millis), one.behind, one.cpu) for one in found
    ]
    head = ("events/s", "orders seen", "p50 ms", "p99 ms", "most ms", "sender behind p99 ms", "worker cores")
    return table(head, rows)


def plot(found: list[Measured]) -> None:
    """µs an event by KPIs, a line for each number of dimensions and series."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 4.2))
    for dimensions, series in sorted({(one.case.dimensions, one.case.series) for one in found}):
        line = [one for one in found if (one.case.dimensions, one.case.series) == (dimensions, series)]
        label = f"{dimensions} dimension{'s' if dimensions > 1 else ''}, {series:,} series"
        axes.plot([one.case.kpis for one in line], [one.cost.total for one in line], marker="o", label=label)
    axes.set_xlabel("KPIs")
    axes.set_ylabel("CPU µs per event, core alone")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, dpi=120)
    plt.close(figure)
