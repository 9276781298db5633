"""docs/reliability.md and its plot, from a run's outcome. The figures stand between two marks."""

from __future__ import annotations

from collections.abc import Callable

from tests.benchmarks.figures import median, table
from tests.benchmarks.report import DOCS, put
from tests.chaos.outcome import Outcome
from tests.chaos.plan import BROKER_FAULTS, WORDS

PAGE = DOCS / "reliability.md"
PLOT = DOCS / "img" / "reliability.png"
PART = "chaos"


def publish(outcome: Outcome) -> None:
    """Rewrite the page's figures and the plot."""
    PAGE.write_text(put(PART, figures(outcome), PAGE.read_text()))
    plot(outcome)


def figures(outcome: Outcome) -> str:
    """The tables, in Markdown."""
    sizes, events, final = outcome.sizes, outcome.events, outcome.final
    verdict = "Everything held." if not outcome.wrong() else "Not everything held: " + "; ".join(outcome.wrong()) + "."
    facts: list[tuple[str, object]] = [
        ("seed", str(outcome.seed)),
        ("length", f"{outcome.seconds:.0f} s, of which {outcome.settling:.0f} s to settle"),
        ("records sent", sizes.records),
        ("events, repeats included", sizes.events),
        ("events too late to count", sizes.late),
        ("malformed records", sizes.malformed),
        ("events counted", events.counted),
        ("**lost**", f"**{events.lost}**"),
        ("**counted twice**", f"**{events.doubled}**"),
        ("final values compared", final.values),
        ("final values that differ", final.differences),
        ("rolling values compared", outcome.rolling.values),
        ("rolling values that differ", outcome.rolling.differences),
        ("metrics compared", outcome.metrics.series),
        ("metrics wrong, missing, or at two workers", outcome.metrics.faults),
        ("dead letters missing", outcome.letters.missing),
        ("dead letters too many", outcome.letters.surplus),
        ("dead letters written more than once", outcome.letters.repeated),
        ("longest time a metric was at two workers", f"{outcome.shared:.1f} s"),
        ("metrics that fell, or were more than was sent", _jumps(outcome, lambda kind: kind in ("fell", "too many"))),
        ("metrics that fell behind at a hand-over", _jumps(outcome, lambda kind: kind == "fell behind")),
        ("metrics shown by one that no longer owned them", _jumps(outcome, lambda kind: kind == "stale")),
    ]
    rows = []
    for kind, found in outcome.by_kind().items():
        took = outcome.recoveries([kind])
        rows.append((WORDS[kind], len(found), *((f"{median(took):.1f}", f"{max(took):.1f}") if took else ("-", "-"))))
    left = "".join(f"\n\nNot simulated: {line}." for line in outcome.not_simulated)
    return (
        f"{table(('what', 'figure'), facts)}\n\n{verdict}\n\n"
        f"{table(('fault', 'times', 'recovery p50 s', 'recovery max s'), rows)}\n\n"
        f"![Orders sent and shown, and the faults](img/{PLOT.name}){left}"
    )


def _jumps(outcome: Outcome, chosen: Callable[[str], bool]) -> str:
    found = [jump for jump in outcome.jumps if chosen(jump.kind)]
    return f"{len(found)}, by {max(jump.events for jump in found):g} at the most" if found else "0"


def plot(outcome: Outcome) -> None:
    """Orders sent but not yet shown over time, with the faults; and recovery by kind."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    kinds = list(outcome.by_kind())
    colours = {kind: f"C{number + 1}" for number, kind in enumerate(kinds)}
    figure, (above, below) = plt.subplots(2, 1, figsize=(9.0, 6.4), height_ratios=[2, 1.4])
    # A look at which nobody shows anything says how long it was dark, not that nothing is counted.
    lit = [(at, sent - shown) for at, sent, shown in outcome.timeline if at >= 0 and shown]
    above.plot([at for at, _ in lit], [behind for _, behind in lit], color="0.35", linewidth=0.9)
    for one in outcome.faults:
        wide = one.fault.kind in BROKER_FAULTS and one.ended is not None
        if wide and one.ended is not None:
            above.axvspan(one.begun, one.ended, color=colours[one.fault.kind], alpha=0.3)
        above.axvline(one.begun, color=colours[one.fault.kind], alpha=0.6, linewidth=0.9)
    for kind in kinds:
        above.plot([], [], color=colours[kind], label=WORDS[kind])
    above.set_xlabel("seconds")
    above.set_ylabel("orders sent, not yet shown")
    above.set_ylim(bottom=0)
    above.legend(fontsize=8, loc="upper left")
    below.boxplot(
        [outcome.recoveries([kind]) for kind in kinds],
        orientation="horizontal",
        tick_labels=[WORDS[kind] for kind in kinds],
        whis=(0, 100),
    )
    below.set_xlabel("seconds until all goes on")
    below.set_xlim(left=0)
    figure.tight_layout()
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, dpi=110)
    plt.close(figure)
