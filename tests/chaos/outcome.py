"""What came of a run: figures, a verdict, and the words for both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, field

from tests.benchmarks.figures import median
from tests.benchmarks.marketplace import EVENTS_PER_ORDER
from tests.chaos.crew import Ended
from tests.chaos.plan import WORDS, Fault, Kind, Plan
from tests.chaos.verdict import Comparison, Events, Letters, Shown
from tests.chaos.watch import Jump

FILE = "result.json"
BEHIND_FOR = 10.0
"""Seconds: a worker that takes over a series may show what was true so long ago, and one that was frozen may go on
showing what is another one's so long, not more."""


class Suffered(Struct):
    """A fault as it happened, in seconds of the run. ``recovered`` is how long it took until all went on (see
    docs/reliability.md), ``None`` where that was not seen."""

    fault: Fault
    victim: str
    begun: float
    ended: float | None = None
    recovered: float | None = None
    note: str = ""


class Sizes(Struct, frozen=True):
    """What was in the topics: records of the event topics, events among them (repeats included), distinct events,
    late ones, malformed ones, records sent again because no acknowledgement came, values on the KPI topic."""

    records: int
    events: int
    distinct: int
    late: int
    malformed: int
    sent_again: int
    told: int


class Outcome(Struct, kw_only=True):
    """Everything about a run. ``repeated`` and ``restated`` are final values told again at the same revision, with
    the same content or another; ``shared`` is for how many seconds at most each series was at two workers at once."""

    plan: Plan
    seed: int
    seconds: float
    sizes: Sizes
    faults: list[Suffered]
    not_simulated: list[str]
    events: Events
    final: Comparison
    rolling: Comparison
    metrics: Shown
    letters: Letters
    jumps: list[Jump]
    shared: float
    repeated: int
    restated: int
    unasked: list[Ended]
    settled: bool
    settling: float
    folder: str
    timeline: list[tuple[float, float, float]] = field(default_factory=list)
    """Time, orders sent, orders shown."""

    def wrong(self) -> list[str]:
        """What is wrong, one line each; none for a run in which everything held."""
        said = []
        if not self.settled:
            said.append("it did not settle: something was not read to its end")
        if self.events.lost or self.events.doubled:
            said.append(f"{self.events.lost} events lost, {self.events.doubled} counted twice: {self.events.by_type}")
        for name, found in (("final", self.final), ("rolling", self.rolling)):
            if found.differences:
                said.append(
                    f"{name} values: {found.wrong} wrong, {found.missing} missing, {found.surplus} too many "
                    f"of {found.values}: {found.by_kpi}"
                )
        if self.metrics.faults:
            m = self.metrics
            said.append(f"metrics: {m.wrong} wrong, {m.missing} missing, {m.surplus} too many, {m.shared} at several")
        if self.letters.missing or self.letters.surplus:
            said.append(f"dead letters: {self.letters.missing} missing, {self.letters.surplus} too many")
        serious = self.serious()
        if serious:
            worst = max(serious, key=lambda jump: jump.events)
            said.append(
                f"metrics jumped {len(serious)} times, worst: {worst.series} at {worst.worker} {worst.kind} by "
                f"{worst.events:g} at {worst.at:.0f} s"
            )
        if self.shared > BEHIND_FOR:
            said.append(f"a metric was at two workers for {self.shared:.0f} s")
        unclean = [one for one in self.unasked if one.asked]
        if unclean:
            said.append(f"asked to end: {', '.join(f'{one.worker} {one.how} at {one.at:.0f} s' for one in unclean)}")
        lasting = [one for one in self.faults if one.recovered is None]
        if lasting:
            said.append(
                f"no recovery was seen from {', '.join(f'{one.fault.kind} {one.fault.number}' for one in lasting)}"
            )
        return said

    def serious(self) -> list[Jump]:
        """The jumps that no worker's metrics may make: to fall, to show more than was sent, and on taking over to
        show what was true :data:`BEHIND_FOR` ago. What is stale is judged by how long it lasts."""
        tolerated = BEHIND_FOR * self.plan.rate / EVENTS_PER_ORDER
        behind = ("fell behind", "stale")
        return [
            jump
            for jump in self.jumps
            if jump.kind not in behind or (jump.kind == "fell behind" and jump.events > tolerated)
        ]

    def recoveries(self, kinds: Iterable[Kind]) -> list[float]:
        """How long the faults of these kinds took."""
        wanted = set(kinds)
        return [one.recovered for one in self.faults if one.fault.kind in wanted and one.recovered is not None]

    def by_kind(self) -> dict[Kind, list[Suffered]]:
        """The faults that happened, in the order of the kinds."""
        return {kind: found for kind in WORDS if (found := [one for one in self.faults if one.fault.kind == kind])}


def summary(outcome: Outcome) -> str:
    """What a person wants to know, in some lines."""
    sizes, events = outcome.sizes, outcome.events
    lines = [
        f"seed {outcome.seed}, plan {outcome.plan.name}, {outcome.seconds:.0f} s",
        f"records {sizes.records:,}; events {sizes.events:,} of which {sizes.events - sizes.distinct:,} repeats; "
        f"late {sizes.late:,}; malformed {sizes.malformed:,}; sent again {sizes.sent_again:,}",
        "faults: " + ", ".join(f"{WORDS[kind]} {len(found)}" for kind, found in outcome.by_kind().items()),
        *(f"not simulated: {line}" for line in outcome.not_simulated),
        f"lost {events.lost}, double-counted {events.doubled}, of {events.counted:,} events counted",
        f"final values {outcome.final.values:,}, different {outcome.final.differences}; rolling values "
        f"{outcome.rolling.values:,}, different {outcome.rolling.differences}; metrics {outcome.metrics.series:,}, "
        f"faults {outcome.metrics.faults}",
        f"dead letters {outcome.letters.wanted}, missing {outcome.letters.missing}, too many "
        f"{outcome.letters.surplus}, written again {outcome.letters.repeated}",
        "metrics over time: " + _jumps(outcome.jumps) + f"; at two workers at once for at most {outcome.shared:.1f} s",
        f"final values told again: {outcome.repeated} the same, {outcome.restated} otherwise",
    ]
    for kind, found in outcome.by_kind().items():
        took = outcome.recoveries([kind])
        if took:
            lines.append(f"recovery, {WORDS[kind]}: p50 {median(took):.1f} s, max {max(took):.1f} s of {len(found)}")
    if outcome.unasked:
        ways = Counter(one.how for one in outcome.unasked if not one.asked)
        lines += [f"workers that ended by themselves: {count} {how}" for how, count in ways.most_common(8)]
    lines.append(f"settled within {outcome.settling:.1f} s" if outcome.settled else "did not settle")
    wrong = outcome.wrong()
    lines += [f"WRONG: {line}" for line in wrong] or ["everything held"]
    if wrong:
        lines += [f"  {one.what}: wanted {one.wanted}, found {one.found}" for one in outcome.final.shown[:10]]
        lines += [f"  {one.what}: wanted {one.wanted}, found {one.found}" for one in outcome.rolling.shown[:10]]
        lines += [f"  {line}" for line in (*outcome.metrics.shown[:10], *outcome.letters.shown[:10])]
        lines.append(f"logs and result: {outcome.folder}; again: --seed {outcome.seed}")
    return "\n".join(lines)


def _jumps(jumps: Sequence[Jump]) -> str:
    kinds = Counter(jump.kind for jump in jumps)
    most = {kind: max(jump.events for jump in jumps if jump.kind == kind) for kind in kinds}
    told = [f"{kind} {kinds[kind]} times, by {most[kind]:g} at the most" for kind in sorted(kinds)]
    return "no jumps" if not told else "; ".join(told)


def write(outcome: Outcome, folder: Path) -> Path:
    """As JSON, in the run's folder."""
    path = folder / FILE
    path.write_bytes(msgspec.json.format(msgspec.json.encode(outcome), indent=1))
    return path


def read(path: Path) -> Outcome:
    """What :func:`write` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Outcome)
