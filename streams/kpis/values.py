"""What a KPI is worth over a span of event time: the record that leaves the core."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["provisional", "final", "corrected"]


class KpiValue(msgspec.Struct, gc=False, frozen=True, omit_defaults=True):
    """One statistic of one KPI for one slice over one span.

    ``value`` is in the KPI's unit (seconds, ratio 0 to 1, currency minor units, orders …) and ``None`` where nothing
    was observed. ``parts`` are the exact integers it was made of: ``(count,)``, ``(sum,)``, ``(numerator,
    denominator)``, ``(sum, n)`` or ``(level,)``. ``weight`` is the number of observations behind it. ``start`` and
    ``end`` are epoch milliseconds UTC, ``end`` excluded. A value of the same series and start with a higher
    ``revision`` replaces it.

    What detection makes of a final value: ``expected`` is (low, middle, high), ``borrowed`` the share of it, 0 to 1,
    that does not rest on the series' own history. ``surprise`` is -log10 of a p-value, of the value together with those
    before it; ``side`` says where it lies: -1 below what is expected, 1 above. ``alert``: somebody is to be told.
    ``why`` says in words what was seen, where it is strange.
    """

    kpi: str
    stat: str
    slice: dict[str, str]
    span: str
    rolling: bool
    start: int
    end: int
    value: float | None
    weight: int
    parts: tuple[int, ...]
    status: Status
    revision: int
    unit: str
    better: str
    expected: tuple[float, float, float] | None = None
    borrowed: float = 0.0
    surprise: float = 0.0
    side: int = 0
    alert: bool = False
    why: str = ""

    @property
    def series(self) -> str:
        """The series' name: ``kpi.stat{dimension=value}@span``, with ``~span`` for a rolling window."""
        inner = ",".join(f"{k}={v}" for k, v in sorted(self.slice.items()))
        stat = "" if self.stat == "value" else f".{self.stat}"
        slice_ = "{" + inner + "}" if inner else ""
        return f"{self.kpi}{stat}{slice_}{'~' if self.rolling else '@'}{self.span}"

    def encode(self) -> bytes:
        """JSON, as on the KPI topic."""
        return _ENCODER.encode(self)

    @staticmethod
    def decode(raw: bytes) -> KpiValue:
        """Read what :meth:`encode` wrote. Raises ``msgspec.ValidationError`` for anything else."""
        return _DECODER.decode(raw)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(KpiValue)
