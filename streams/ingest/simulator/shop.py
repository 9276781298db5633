"""What the shop is like: where it sells, through what, what, and how it ships. Shares and rates of a
small European web shop for household and fashion goods; every one of them can be set."""

from __future__ import annotations

from msgspec import Struct, field


class Region(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where orders go. ``days`` is the usual transit time in delivery days; ``carriers`` are shares."""

    share: float
    warehouse: str
    carriers: dict[str, float]
    days: int
    lat: float
    lon: float


class Category(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sold. Prices are log-normal around ``price`` (minor units); ``returned`` is the share sent
    back."""

    share: float
    price: int
    spread: float = 0.5
    returned: float = 0.04
    articles: int = 60


class Method(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way to pay, and how often an attempt fails."""

    share: float
    fails: float


def _regions() -> dict[str, Region]:
    return {
        "north": Region(
            share=0.26,
            warehouse="hamburg",
            days=1,
            lat=53.55,
            lon=9.99,
            carriers={"postbird": 0.55, "swiftparcel": 0.30, "hanseat": 0.15},
        ),
        "west": Region(
            share=0.28,
            warehouse="hamburg",
            days=1,
            lat=50.94,
            lon=6.96,
            carriers={"postbird": 0.60, "swiftparcel": 0.40},
        ),
        "south": Region(
            share=0.24,
            warehouse="nuremberg",
            days=1,
            lat=48.14,
            lon=11.58,
            carriers={"postbird": 0.55, "swiftparcel": 0.45},
        ),
        "east": Region(
            share=0.14,
            warehouse="nuremberg",
            days=2,
            lat=51.34,
            lon=12.37,
            carriers={"postbird": 0.70, "swiftparcel": 0.30},
        ),
        "abroad": Region(
            share=0.08,
            warehouse="hamburg",
            days=3,
            lat=48.21,
            lon=16.37,
            carriers={"postbird": 0.65, "globefreight": 0.35},
        ),
    }


def _categories() -> dict[str, Category]:
    return {
        "home": Category(share=0.30, price=2490, spread=0.55),
        "kitchen": Category(share=0.20, price=3290, spread=0.55),
        "fashion": Category(share=0.22, price=3990, spread=0.45, returned=0.16, articles=90),
        "toys": Category(share=0.12, price=1990, spread=0.50),
        "garden": Category(share=0.09, price=4490, spread=0.65),
        "electronics": Category(share=0.07, price=7990, spread=0.70, returned=0.07, articles=30),
    }


def _methods() -> dict[str, Method]:
    return {
        "card": Method(share=0.38, fails=0.045),
        "wallet": Method(share=0.34, fails=0.018),
        "invoice": Method(share=0.18, fails=0.025),
        "transfer": Method(share=0.10, fails=0.012),
    }


class Shop(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shares and rates an order's life is drawn from. Shares need not add up to 1."""

    regions: dict[str, Region] = field(default_factory=_regions)
    channels: dict[str, float] = field(
        default_factory=lambda: {"web": 0.56, "app": 0.27, "marketplace": 0.14, "phone": 0.03}
    )
    categories: dict[str, Category] = field(default_factory=_categories)
    methods: dict[str, Method] = field(default_factory=_methods)
    ticket_channels: dict[str, float] = field(default_factory=lambda: {"email": 0.52, "chat": 0.30, "phone": 0.18})

    # Rates of what goes wrong, or differently.
    retries: float = 0.74  # a failed payment is tried again
    cancels: float = 0.017  # a paid order is cancelled by the customer, if still possible
    out_of_stock: float = 0.006
    late: float = 0.075  # a parcel takes a day or more longer than usual
    attempt_fails: float = 0.035
    lost: float = 0.0012
    presale: float = 0.035  # questions without an order, per order
    impatient: float = 0.02  # asks where the order is before it is late
    chases: float = 0.40  # asks where the order is once it is late
    complains: float = 0.07  # writes about the lateness after it has come
    damaged: float = 0.008
    wrong_item: float = 0.005
    return_question: float = 0.015

    @property
    def warehouses(self) -> dict[str, float]:
        """Each warehouse's share of the orders."""
        total = sum(region.share for region in self.regions.values())
        shares: dict[str, float] = {}
        for region in self.regions.values():
            shares[region.warehouse] = shares.get(region.warehouse, 0.0) + region.share / total
        return shares

    @property
    def carriers(self) -> list[str]:
        """All carriers, in order of first mention."""
        return list(dict.fromkeys(name for region in self.regions.values() for name in region.carriers))
