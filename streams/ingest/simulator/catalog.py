"""What is in the shop, who buys, and what ends up in a basket."""

from __future__ import annotations

from hashlib import blake2b
from math import exp
from statistics import NormalDist

from streams.events.types import Item
from streams.ingest.simulator import order as draw
from streams.ingest.simulator.draws import Shares, mix, uniform
from streams.ingest.simulator.localtime import DAY
from streams.ingest.simulator.order import Order
from streams.ingest.simulator.settings import SimulatorSettings

_LINES = Shares({"1": 0.55, "2": 0.24, "3": 0.12, "4": 0.05, "5": 0.03, "6": 0.01})
_QUANTITIES = Shares({"1": 0.82, "2": 0.13, "3": 0.03, "4": 0.015, "6": 0.005})
_SHIPPING, _FREE_FROM = 490, 6_000
_NEW_CUSTOMERS = 0.45
_REGULARS_FOR = 90
_CATALOG_DRAWS = 77


class Catalog:
    """The articles with their prices (minor units), fixed by the seed, and the customers."""

    def __init__(self, settings: SimulatorSettings) -> None:
        seed = settings.seed
        self._categories = Shares({name: c.share for name, c in settings.shop.categories.items()})
        self._articles: dict[str, list[dict[str, Item]]] = {}
        normal = NormalDist()
        for number, (name, category) in enumerate(settings.shop.categories.items()):
            key = mix(mix(seed, _CATALOG_DRAWS), number)
            self._articles[name] = []
            for article in range(category.articles):
                spread = exp(category.spread * normal.inv_cdf(0.001 + 0.998 * uniform(key, article)))
                price = max(99, round(category.price * spread / 100) * 100 - 1)
                sku = f"{name[:3].upper()}-{1000 + article}"
                # One immutable item per quantity, shared by all orders.
                self._articles[name].append(
                    {
                        quantity: Item(sku=sku, quantity=int(quantity), unit_price=price, category=name)
                        for quantity in _QUANTITIES.names
                    }
                )
        self._pepper = mix(seed, _CATALOG_DRAWS + 1).to_bytes(8, "little")
        self._pool = max(20, round(settings.orders_per_day * _REGULARS_FOR * (1 - _NEW_CUSTOMERS)))

    def category(self, order: Order) -> str:
        """The category of an order's first line."""
        return self._categories(order.draws[draw.CATEGORY])

    def basket(self, order: Order) -> tuple[list[Item], int]:
        """An order's lines and what they cost with shipping, minor units."""
        items = []
        total = 0
        for line in range(int(_LINES(order.draws[draw.LINES]))):
            articles = self._articles[self._categories(order.again(draw.CATEGORY, line))]
            # Few articles make most of the sales.
            at = int(order.again(draw.ARTICLE, line) ** 2 * len(articles))
            item = articles[at][_QUANTITIES(order.again(draw.QUANTITY, line))]
            items.append(item)
            total += item.quantity * item.unit_price
        return items, total if total >= _FREE_FROM else total + _SHIPPING

    def customer(self, order: Order, ms: int) -> str:
        """Who ordered: someone new, or one of the regulars, of whom some come often. A pseudonym, 32 hex
        digits."""
        if order.draws[draw.CUSTOMER_IS_NEW] < _NEW_CUSTOMERS:
            who = order.key
        else:
            joined = int(order.draws[draw.CUSTOMER] ** 3 * self._pool)
            # The circle of regulars slowly changes.
            who = joined + self._pool * (ms // (_REGULARS_FOR * 4 * DAY))
        return blake2b(who.to_bytes(8, "little"), key=self._pepper, digest_size=16).hexdigest()
