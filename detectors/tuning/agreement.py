"""What several KPIs are told of together has to stay within what was agreed upon for the whole business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from detectors.watch.settings import DEFAULT, Settings

LEFT = 0.5
"""Of an equal share, what others keep at the least."""


def fitted(
    found: Mapping[str, Settings], kpis: Sequence[str], per_week: float, today: Mapping[str, Settings]
) -> dict[str, Settings]:
    """Settings that were ``found`` for some of the ``kpis``, each by itself, as they can be set at once in place of
    ``today``'s: where they are told of so often that others would have less than half an equal share of ``per_week``,
    all of them less often, by the same factor.

    Raises ``ValueError`` where KPIs that nothing was found for leave nothing.
    """
    then = {**today, **found}
    own = {name: rate for name in kpis if (rate := then.get(name, DEFAULT).per_week) is not None}
    mine = {name: rate for name, rate in own.items() if name in found}
    others = len(kpis) - len(own)
    if not mine or not others:
        return dict(found)
    left = per_week - sum(rate for name, rate in own.items() if name not in mine)
    if left <= 0.0:
        raise ValueError(f"nothing of {per_week:g} a week is left by KPIs that are not tuned")
    room = left - others * min(LEFT * per_week / len(kpis), left / (others + len(mine)))
    factor = min(1.0, room / sum(mine.values()))
    return {name: replace(one, per_week=mine[name] * factor) if name in mine else one for name, one in found.items()}
