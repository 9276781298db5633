"""What an import did: rows read, events sent, and what was left out and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import polars as pl
from rich.table import Table

from streams.events.times import format_time

_K = TypeVar("_K")

FIRST_ROWS = 5
"""So many row numbers are shown for each reason."""
NO_TIME = "no time in "
NOTHING = "nothing in the row is an event"


@dataclass
class Tally:
    """How often something happened, and the first rows it happened in."""

    count: int = 0
    rows: list[int] = field(default_factory=list)

    def add(self, rows: Iterable[int], count: int) -> None:
        self.count += count
        # Frames come in any order where a file was split by key.
        self.rows = sorted({*self.rows, *rows})[:FIRST_ROWS]


class Losses:
    """What could not become an event in one frame of rows: by event, and which rows were concerned first by
    what."""

    def __init__(self, report: ImportReport) -> None:
        self._report = report
        self._rows: list[pl.DataFrame] = []

    def add(self, type_: str, reason: str, rows: pl.Series, count: int) -> None:
        """``count`` events of a type that ``rows`` could not give."""
        self._report.leave_out(type_, reason, _first(rows), count)
        self.add_rows(reason, rows)

    def add_rows(self, reason: str, rows: pl.Series) -> None:
        """Rows that can give nothing at all."""
        self._rows.append(pl.DataFrame({"row": rows.cast(pl.Int64)}).with_columns(reason=pl.lit(reason)))

    def settle(self, unused: pl.Series) -> None:
        """Count the rows that have given no event, each under the first reason there was: a mistake before a
        moment that has only not come yet."""
        rows = pl.DataFrame({"row": unused.cast(pl.Int64)})
        if self._rows:
            reasons = pl.concat(self._rows).sort(pl.col("reason").str.starts_with(NO_TIME), maintain_order=True)
            reasons = reasons.unique("row", keep="first", maintain_order=True)
            rows = rows.join(reasons, on="row", how="left")
        else:
            rows = rows.with_columns(reason=pl.lit(None, dtype=pl.String))
        for (reason,), group in rows.group_by("reason"):
            told = NOTHING if reason is None else str(reason)
            self._report.skip(told, _first(group["row"]), len(group))


@dataclass
class ImportReport:
    """The outcome of one import.

    Every row read has given an event (``used``) or is in ``skipped``. ``left_out`` counts the single events a
    row could not give: ``(type, reason)``. ``sent`` counts events by type, heartbeats apart. Times are epoch
    ms.
    """

    source: str
    read: int = 0
    used: int = 0
    skipped: dict[str, Tally] = field(default_factory=dict)
    left_out: dict[tuple[str, str], Tally] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    heartbeats: int = 0
    first_time: int | None = None
    last_time: int | None = None
    closed_until: int | None = None
    seconds: float = 0.0
    place_of: Callable[[int], tuple[str, int]] = field(default=lambda row: ("", row + 1), repr=False)
    """The file a row is in and its number there, from 1."""

    @property
    def events(self) -> int:
        """All events sent, heartbeats apart."""
        return sum(self.sent.values())

    def skip(self, reason: str, rows: Iterable[int], count: int) -> None:
        """Rows that gave no event."""
        if count:
            self.skipped.setdefault(reason, Tally()).add(rows, count)

    def leave_out(self, type_: str, reason: str, rows: Iterable[int], count: int) -> None:
        """Events that rows could not give."""
        if count:
            self.left_out.setdefault((type_, reason), Tally()).add(rows, count)

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON; rows by file and number."""

        def shown(tally: Tally) -> dict[str, Any]:
            places = [self.place_of(row) for row in tally.rows]
            return {"count": tally.count, "first": [{"file": file, "row": row} for file, row in places]}

        return {
            "source": self.source,
            "rows": {
                "read": self.read,
                "used": self.used,
                "skipped": {reason: shown(tally) for reason, tally in _by_count(self.skipped)},
            },
            "events": {
                "sent": dict(sorted(self.sent.items())),
                "left_out": [
                    {"type": type_, "reason": reason, **shown(tally)}
                    for (type_, reason), tally in _by_count(self.left_out)
                ],
                "heartbeats": self.heartbeats,
            },
            "first_time": _shown_time(self.first_time),
            "last_time": _shown_time(self.last_time),
            "closed_until": _shown_time(self.closed_until),
            "seconds": round(self.seconds, 3),
        }

    def table(self) -> Table:
        """A short table for people."""
        table = Table(
            title=f"Import of {self.source}",
            title_justify="left",
            show_header=False,
            box=None,
            padding=(0, 1),
        )
        table.add_column()
        table.add_column(justify="right")
        table.add_column(overflow="fold")
        table.add_row("rows read", f"{self.read:,}")
        table.add_row("  gave events", f"{self.used:,}")
        for reason, tally in _by_count(self.skipped):
            table.add_row("  skipped", f"{tally.count:,}", f"{reason} ({self._where(tally)})")
        table.add_row("events", f"{self.events:,}", self._rate())
        for type_, count in sorted(self.sent.items()):
            table.add_row(f"  {type_}", f"{count:,}")
        for (type_, reason), tally in _by_count(self.left_out):
            table.add_row("  left out", f"{tally.count:,}", f"{type_}: {reason} ({self._where(tally)})")
        table.add_row("heartbeats", f"{self.heartbeats:,}")
        if self.first_time is not None:
            table.add_row("time", "", f"{_shown_time(self.first_time)} to {_shown_time(self.last_time)}")
        return table

    def _where(self, tally: Tally) -> str:
        """``orders.csv rows 1, 2, 7, …``"""
        files: dict[str, list[str]] = {}
        for file, row in map(self.place_of, tally.rows):
            files.setdefault(file, []).append(str(row))
        shown = "; ".join(
            f"{file} {'row' if len(rows) == 1 else 'rows'} {', '.join(rows)}" for file, rows in files.items()
        )
        return shown + (", …" if tally.count > len(tally.rows) else "")

    def _rate(self) -> str:
        return f"{self.events / self.seconds:,.0f} a second" if self.seconds > 0 else ""


def _first(rows: pl.Series) -> list[int]:
    return rows.bottom_k(FIRST_ROWS).sort().to_list()


def _by_count(tallies: dict[_K, Tally]) -> list[tuple[_K, Tally]]:
    return sorted(tallies.items(), key=lambda item: (-item[1].count, str(item[0])))


def _shown_time(time: int | None) -> str | None:
    return None if time is None else format_time(time)
