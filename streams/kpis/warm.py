"""Compile the core's inner loops ahead of time: ``python -m streams.kpis.warm``.

The results are kept beside the modules, so that a worker starts in a second and not in half a minute.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from streams.events.codec import ChunkDecoder, encode
from streams.events.times import format_time
from streams.events.types import (
    BusinessEvent,
    DeliveredData,
    DeliveryDelivered,
    OrderPlaced,
    PlacedData,
    SourceHeartbeat,
)
from streams.kpis import entities
from streams.kpis.definitions import Definitions, DimensionDefinition, LevelKpi, Moment, Span
from streams.kpis.kernel import Kernel
from streams.kpis.plan import Plan
from streams.kpis.watermark import FAMILIES

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_ORDERS = 3_000


def _definitions() -> Definitions:
    hour = Span("1h", _HOUR)
    level = LevelKpi(
        name="open",
        unit="orders",
        better="lower",
        by=(("region",),),
        windows=(hour,),
        grain=hour,
        entity="order",
        start=("order.placed",),
        until=("delivery.delivered",),
    )
    return Definitions(
        kpis=(level,),
        moments={name: Moment(name, name) for name in ("order.placed", "delivery.delivered")},
        dimensions=(DimensionDefinition("region", (("order.placed", "region"),)),),
        pane_ms=10_000,
        out_of_order_ms=10_000,
        allowed_lateness_ms=15 * _MINUTE,
        future_limit_ms=_MINUTE,
        values_per_dimension=10,
        keep_ended_ms=_HOUR,
        keep_open_ms=_HOUR,
        timezone="UTC",
        currency="EUR",
        week_starts=0,
    )


def warm() -> None:
    """Take a kernel through everything it can be asked: order, disorder, a busy case, sealing and forgetting."""
    kernel = Kernel(Plan(_definitions()), 0)
    start = 20_000 * 24 * _HOUR

    def send(family: int, events: list[BusinessEvent]) -> None:
        offsets = np.arange(len(events), dtype=np.int64)
        decoder = ChunkDecoder(FAMILIES[family])
        kernel.process_raw(decoder, list(map(encode, events)), offsets, np.full(len(events), -1, dtype=np.int64))

    def placed(number: int, time: int) -> BusinessEvent:
        name = f"order-{number}"
        data = PlacedData(order_id=name, amount=number, currency="EUR", region="north")
        return OrderPlaced(id=name, source="warm", time=format_time(time), subject=name, data=data)

    def delivered(number: int, time: int) -> BusinessEvent:
        data = DeliveredData(delivery_id="delivery")
        return DeliveryDelivered(
            id=f"delivered-{number}", source="warm", time=format_time(time), subject="order-0", data=data
        )

    send(0, [placed(number, start + number * _MINUTE) for number in range(_ORDERS)])
    busy = [delivered(number, start + number * _MINUTE) for number in range(entities.SETTLE_AT + 2)]
    send(1, busy)
    send(1, [delivered(-1, start + (entities.SETTLE_AT + 1) * _MINUTE - 1)])
    kernel.drain()
    for family in range(3):
        time = format_time(start + _ORDERS * _HOUR)
        send(family, [SourceHeartbeat(id="end", source="warm", time=time, subject="end")])
    kernel.drain()


if __name__ == "__main__":
    print("Compiling the KPI core (once after an installation, up to a minute) …", flush=True)
    began = perf_counter()
    warm()
    print(f"Compiled in {perf_counter() - began:.0f} s.", flush=True)
