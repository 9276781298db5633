"""What to simulate."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from streams.errors import ConfigError
from streams.ingest.simulator.incidents import FAMILIES, Incident
from streams.ingest.simulator.shop import Shop

SHOP_SOURCE = "/shop"
HELPDESK_SOURCE = "/helpdesk"


def warehouse_source(name: str) -> str:
    return f"/warehouse/{name}"


def carrier_source(name: str) -> str:
    return f"/carrier/{name}"


class SimulatorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything the events depend on: the same settings give the same events, byte for byte.

    Times are epoch ms UTC, durations ms. Orders are numbered by the hour they are placed in, so a
    second run whose time overlaps the first's repeats the same orders under the same ids.
    """

    start: int
    end: int | None = None
    """Nothing happens at or after it; None for no end."""
    seed: int = 1
    orders_per_day: float = 300.0
    """The mean over weeks and seasons, at ``reference``."""
    reference: int | None = None
    """From when growth counts; ``start`` unless given."""
    growth: float = 0.15
    """By how much demand grows in a year."""
    season: float = 0.5
    """How strong the yearly rhythm is: 0 for none, 1 for a shop that lives on Christmas."""
    dispersion: float = 0.012
    """Variance of demand beyond Poisson's, as a share of its square: half of it by day, half by hour."""
    timezone: str = "Europe/Berlin"
    currency: str = "EUR"
    holidays: tuple[str, ...] = ("01-01", "05-01", "10-03", "12-25", "12-26")
    """``MM-DD``: nobody works, customers buy a little less; announced as calendar entries."""
    shop: Shop = Shop()
    incidents: list[Incident] = []
    max_delay: int = 8_000
    """No event arrives later than this after it happened (unless an incident or ``stragglers`` says so);
    keep it below the out_of_order of the configuration."""
    stragglers: float = 0.0
    """Share of events that arrive up to ten minutes late."""
    duplicates: float = 0.0
    """Share of events that a source sends twice."""
    heartbeat: int = 5_000
    """How often each topic family's source says that nothing older follows; 0 for never."""
    heartbeat_until: list[tuple[int, int]] = []
    """(time, interval): other intervals before some times, in order; for a history that is sent in one go."""

    def __post_init__(self) -> None:
        """Raises :class:`ConfigError` naming the setting, its value and what was expected."""
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ConfigError(f"simulator: timezone {self.timezone!r} is not known (like Europe/Berlin)") from None
        if not 0 < self.orders_per_day <= 50_000_000:
            raise ConfigError(f"simulator: orders_per_day {self.orders_per_day:g} is not in (0, 50000000]")
        if self.end is not None and self.end <= self.start:
            raise ConfigError("simulator: end is not after start")
        if self.growth <= -1:
            raise ConfigError(f"simulator: growth {self.growth:g} is not above -1")
        for name in ("stragglers", "duplicates"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"simulator: {name} {getattr(self, name):g} is not in [0, 1]")
        if self.max_delay < 0 or self.heartbeat < 0 or self.dispersion < 0 or self.season < 0:
            raise ConfigError("simulator: max_delay, heartbeat, dispersion and season cannot be negative")
        known = self.dimensions()
        for incident in self.incidents:
            for dimension, values in incident.scope.items():
                for value in values:
                    if value not in known[dimension]:
                        raise ConfigError(
                            f"incident {incident.name or incident.kind}: there is no {dimension} {value!r} "
                            f"(expected {', '.join(known[dimension])})"
                        )

    def dimensions(self) -> dict[str, list[str]]:
        """The values an incident's scope can name, by dimension."""
        shop = self.shop
        return {
            "region": list(shop.regions),
            "channel": list(shop.channels),
            "category": list(shop.categories),
            "method": list(shop.methods),
            "warehouse": list(shop.warehouses),
            "carrier": shop.carriers,
            "family": list(FAMILIES[:3]),
            "source": self.sources(),
        }

    def sources(self) -> list[str]:
        """The names of everything that sends events."""
        return [
            SHOP_SOURCE,
            *map(warehouse_source, self.shop.warehouses),
            *map(carrier_source, self.shop.carriers),
            HELPDESK_SOURCE,
        ]
