"""From frames of rows to encoded events, each of which the contracts accept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from streams.events.codec import ChunkDecoder, encode
from streams.events.types import Item
from streams.ingest.imports.cells import Cells, render_time
from streams.ingest.imports.conditions import holds
from streams.ingest.imports.contracts import CONTRACTS
from streams.ingest.imports.drafts import ID, ROWS, SUBJECT, TIME, Drafter
from streams.ingest.imports.mapping import Constant, Each, Mapping, Rule
from streams.ingest.imports.reader import ROW
from streams.ingest.imports.report import FIRST_ROWS, ImportReport, Losses
from streams.ingest.imports.rules import typed

ENCODED = pl.Schema(
    {
        "time": pl.Int64(),
        "row": pl.Int64(),
        "rule": pl.Int16(),
        "key": pl.String(),
        "id": pl.String(),
        "value": pl.Binary(),
    }
)
"""The columns of encoded events; sorted by the first three, they are in the order they are sent."""

PIECE_EVENTS = 5_000
"""So many events stand in memory as objects at once; one may be an order of a thousand lines."""


class Converter:
    """Turns rows into events and tells the report of each row what became of it.

    ``latest``: epoch ms after which a time lies in the future; ``max_bytes``: the largest event.
    """

    def __init__(self, mapping: Mapping, report: ImportReport, *, latest: int, max_bytes: int) -> None:
        self._mapping = mapping
        self._report = report
        self._latest = latest
        self._decoder = ChunkDecoder("any", max_bytes)

    def convert(self, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """The events of a frame of whole groups, as frames of the columns :data:`ENCODED`, in no order."""
        self._report.read += len(frame)
        frame = self._without_skipped(frame)
        losses = Losses(self._report)
        used = [frame.clear()[ROW]]
        drafts = Drafter(self._mapping, self._latest, losses).drafts(frame)
        for number, (rule, draft) in enumerate(zip(self._mapping.rules, drafts, strict=True)):
            for piece in draft.iter_slices(PIECE_EVENTS):
                encoded, rows = self._encode(number, rule, piece, losses)
                used.append(rows)
                yield encoded
        distinct = pl.concat(used).unique()
        self._report.used += len(distinct)
        losses.settle(frame.filter(~pl.col(ROW).is_in(distinct.implode()))[ROW])

    def _without_skipped(self, frame: pl.DataFrame) -> pl.DataFrame:
        cells = Cells(self._mapping, frame.schema)
        for skip in self._mapping.skip:
            matches = frame.select(holds(skip.when, cells)).to_series()
            rows = frame.filter(matches)[ROW]
            self._report.skip(skip.because, rows.head(FIRST_ROWS).to_list(), len(rows))
            frame = frame.filter(~matches)
        return frame

    def _encode(self, number: int, rule: Rule, draft: pl.DataFrame, losses: Losses) -> tuple[pl.DataFrame, pl.Series]:
        """The accepted events of a rule, and the rows they came from."""
        contract = CONTRACTS[rule.type]
        make_event, make_data = contract.event, contract.data
        arguments = [_argument(rule, name, draft) for name in contract.fields]
        times = draft.select(render_time(pl.col(TIME))).to_series().to_list()
        source = self._mapping.name
        values = [
            encode(make_event(id=id_, source=source, time=time, subject=subject, data=make_data(*data)))
            for id_, time, subject, *data in zip(
                draft[ID].to_list(), times, draft[SUBJECT].to_list(), *arguments, strict=True
            )
        ]
        _, rejections = self._decoder.decode_chunk(values)
        encoded = pl.DataFrame(
            {
                "time": draft[TIME],
                "row": draft[ROW].cast(pl.Int64),
                "rule": pl.Series([number] * len(draft), dtype=pl.Int16),
                "key": draft[SUBJECT],
                "id": draft[ID],
                "value": pl.Series(values, dtype=pl.Binary),
            },
            schema=ENCODED,
        )
        if rejections:
            # Up to the value in it, so that equal mistakes are counted together.
            reasons = pl.Series([rejection.reason.partition(", got ")[0] for _, rejection in rejections])
            places = pl.Series([place for place, _ in rejections], dtype=pl.UInt32)
            for (reason,), lost in draft[places].group_by(reasons.alias("reason"), maintain_order=True):
                losses.add(rule.type, str(reason), lost[ROWS].explode(), len(lost))
            accepted = pl.Series([True] * len(draft), dtype=pl.Boolean)
            accepted.scatter(places, False)
            encoded, draft = encoded.filter(accepted), draft.filter(accepted)
        return encoded, draft[ROWS].explode()


def _argument(rule: Rule, name: str, draft: pl.DataFrame) -> list[Any]:
    """A data field's values, one for each draft."""
    value = rule.data.get(name)
    field = CONTRACTS[rule.type].fields[name]
    match value:
        case None:
            # Lists are shared: nothing changes an event once it is made.
            return [[] if field.kind == "items" else None] * len(draft)
        case Constant():
            return [typed(value, field)] * len(draft)
        case Each():
            return [[Item(**item) for item in items] for items in draft[name].to_list()]
        case _:
            return draft[name].to_list()
