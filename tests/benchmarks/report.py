"""docs/benchmarks.md and its plots, from what was measured. Each part stands between two marks and is replaced
alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks.core import STAGES, Cost, Line
from tests.benchmarks.figures import median, quantity, spread, table
from tests.benchmarks.latency import Latency
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.peers import PEERS
from tests.benchmarks.replay import Replayed
from tests.benchmarks.scaling import Corner, Measured
from tests.benchmarks.throughput import PeerRun, Run, Throughput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "benchmarks.md"
PLOT_SCALING = DOCS / "img" / "benchmark-scaling.png"
PLOT_ENGINES = DOCS / "img" / "benchmark-engines.png"
_OURS, _THEIRS = "#1f6fb4", "#9aa5b1"
PARTS = ("throughput", "core", "scaling", "latency", "replay")


def put(part: str, text: str, page: str) -> str:
    """The page with a part replaced. Raises ``ValueError`` where the page has no marks for it."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    if begin not in page or end not in page:
        raise ValueError(f"no marks for {part!r} in the page")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n{_stamp()}\n\n{text.strip()}\n{end}", page)


def _stamp() -> str:
    return f"Measured {datetime.now(UTC):%Y-%m-%d}: {describe_machine()}."


class Engine(NamedTuple):
    """An engine's runs; ``ours`` where it is Daybook."""

    name: str
    ours: bool
    runs: Sequence[Run | PeerRun]

    @property
    def rate(self) -> float:
        """Median, events/s."""
        return median([run.rate for run in self.runs])

    @property
    def micros(self) -> float:
        """Median, µs of processor time an event."""
        return median([run.micros for run in self.runs])

    @property
    def memory(self) -> float:
        """The most, MiB."""
        return max(run.memory for run in self.runs)


def engines(found: Throughput) -> list[Engine]:
    """All that ran, Daybook first, the peers from the slowest to the fastest."""
    versions = {peer.name: f"{peer.package} {peer.version}" for peer in PEERS}
    peers = [
        Engine(f"{name} ({versions[name]})" if name in versions else name, False, runs)
        for name, runs in found.peers.items()
    ]
    return [
        Engine("Daybook, all default KPIs", True, found.runs),
        Engine("Daybook, the same job", True, found.same),
        *sorted(peers, key=lambda engine: engine.rate),
    ]


def throughput(found: Throughput) -> str:
    """The engines side by side, run by run, and what the worker's threads were doing."""
    all_ = engines(found)
    full, same, *peers = all_
    medians = [
        (
            engine.name,
            engine.rate,
            engine.micros,
            engine.memory,
            "-" if engine.ours else _times(same, engine, "rate"),
            "-" if engine.ours else _times(full, engine, "rate"),
        )
        for engine in all_
    ]
    head = ("median", "events/s", "CPU µs/event", "peak MiB", "same job, Daybook ×", "all KPIs, Daybook ×")
    rows = [
        (
            engine.name,
            number,
            run.rate,
            run.cpu,
            *((run.busiest, run.broker_cpu) if isinstance(run, Run) else ("-", "-")),
            run.micros,
            run.memory,
        )
        for engine in all_
        for number, run in enumerate(engine.runs, 1)
    ]
    each = ("what", "run", "events/s", "cores", "busiest thread", "broker cores", "CPU µs/event", "peak MiB")
    compared = "".join(
        f"- {peer.name}: {_runs(same, peer, 'rate')} by rate, {_runs(same, peer, 'micros')} by processor time\n"
        for peer in peers
    )
    absent = "".join(f"- {name} is missing: {why}\n" for name, why in found.missing.items())
    busy = "\n".join(
        f"- thread {number}: " + ", ".join(f"{stage} {share:.0%}" for stage, share in thread.items() if share >= 0.02)
        for number, thread in enumerate(found.threads, 1)
        if len(thread) > 1
    )
    return "\n\n".join(
        text.strip()
        for text in (
            f"{found.sent.events:,} events of {found.sent.bytes / found.sent.records:.0f} bytes on average, "
            f"{len(found.sent.rows):,} regions and minutes; the default KPIs have {found.runs[0].series:,} series.",
            table(head, medians),
            absent,
            "![Events a second and processor time of each engine](img/benchmark-engines.png)",
            "How many times as fast Daybook is with the same job, in each run, smallest first:" if peers else "",
            compared,
            table(each, rows),
            "Where the worker's threads were with all default KPIs, by sampling:",
            busy,
        )
        if text
    )


def _ratios(ours: Engine, peer: Engine, what: str) -> list[float]:
    """How many times better we were, run by run: more events a second, or less processor time."""
    pairs = [(getattr(a, what), getattr(b, what)) for a, b in zip(ours.runs, peer.runs, strict=True)]
    return [mine / theirs if what == "rate" else theirs / mine for mine, theirs in pairs]


def _times(ours: Engine, peer: Engine, what: str) -> float:
    return median(_ratios(ours, peer, what))


def _runs(ours: Engine, peer: Engine, what: str) -> str:
    return spread(_ratios(ours, peer, what))


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
    head = ("KPIs", "dimensions", "series", "µs/event", *STAGES)
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


def replayed(found: Sequence[tuple[str, Replayed]], lines: Iterable[Line]) -> str:
    """Replays by what was done, medians; memory while the best run went on; the profile of one process."""
    rows, memory = [], []
    for what in dict.fromkeys(name for name, _ in found):
        runs = [run for name, run in found if name == what]
        rate = median([run.rate for run in runs])
        rows.append(
            (
                what,
                f"{runs[0].records:,}",
                quantity(rate),
                spread([run.rate for run in runs]),
                quantity(median([run.processor / run.records * 1e6 for run in runs])),
                quantity(max(run.peak for run in runs)),
            )
        )
        memory.append((what, *(quantity(one) for one in runs[-1].tenths[1::2])))
    profile = [(f"{line.share:.0%}", line.calls, f"`{line.where}`") for line in lines]
    head = ("", "records", "records/s, median", "runs", "CPU µs/record", "peak MiB")
    return (
        f"{table(head, rows)}\n\nMiB of all processes together after each fifth of the records:\n\n"
        f"{table(('', '20%', '40%', '60%', '80%', '100%'), memory)}\n\n"
        f"In one process, under Python's profiler, by time in the function itself:\n\n"
        f"{table(('share', 'calls', 'function'), profile)}"
    )


def plot_scaling(found: list[Measured]) -> None:
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
    _save(figure, PLOT_SCALING)


def plot_engines(found: Throughput) -> None:
    """Events a second and processor time an event, a bar for each engine at the median, a dot for each run."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    all_ = engines(found)[::-1]
    places = range(len(all_))
    colours = [_OURS if engine.ours else _THEIRS for engine in all_]
    figure, panels = plt.subplots(1, 2, sharey=True, figsize=(10, 1.2 + 0.55 * len(all_)))
    for axes, what, title in zip(
        panels,
        ("rate", "micros"),
        ("Events a second (more is better)", "CPU µs an event (less is better)"),
        strict=True,
    ):
        values = [getattr(engine, what) for engine in all_]
        most = max(getattr(run, what) for engine in all_ for run in engine.runs)
        axes.barh(places, values, color=colours, height=0.65)
        for place, engine, value in zip(places, all_, values, strict=True):
            dots = [getattr(run, what) for run in engine.runs]
            axes.plot(dots, [place] * len(dots), ".", color="black", markersize=4)
            axes.text(max(value, *dots, 0) + 0.02 * most, place, quantity(value), va="center", fontsize=9)
        axes.set_xlim(0, 1.18 * most)
        axes.set_title(title, fontsize=10)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_formatter("{x:,.9g}")
    panels[0].set_yticks(places, [engine.name.replace(" (", "\n(") for engine in all_], fontsize=9)
    _save(figure, PLOT_ENGINES)


def _save(figure: Figure, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
