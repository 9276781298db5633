"""The console of a shop that is open: what happens is seen without loading the page again, what is said is written
down."""

from __future__ import annotations

import time

from selenium.webdriver.common.by import By

from streams.events.codec import encode
from streams.events.times import format_time
from streams.events.types import OrderPlaced, PlacedData
from streams.runtime.producer import open_producer
from streams.runtime.topics import TopicNames
from tests.browser.conftest import Shop, until
from tests.support.browsing import Browser

FIRST_TILES_WITHIN = 20.0
MORE = 300


def number(text: str) -> int:
    return int(text.split()[0].replace(",", ""))


def test_tiles_change_without_loading_the_page_again(shop: Shop, browser: Browser) -> None:
    browser.open(shop.address)
    before = number(browser.wait("a[href='/kpi/orders_placed'] .value").text)
    browser.run("window.stays = true")
    place_orders(shop)
    until(
        lambda: number(browser.text("a[href='/kpi/orders_placed'] .value")) >= before + MORE,
        FIRST_TILES_WITHIN,
        "the tile tells of the new orders",
    )
    assert browser.run("return window.stays") is True


def test_what_is_open_is_said_first_with_its_severity_in_words(shop: Shop, browser: Browser) -> None:
    browser.open(shop.address)
    browser.wait(".incident")
    headings = [one.text for one in browser.driver.find_elements(By.CSS_SELECTOR, "h2")]
    assert headings[0].startswith("Open incidents (")
    assert browser.text(".incident .badge") in ("critical", "warning", "info")


def test_acknowledging_is_found_on_the_topic_and_on_the_page(shop: Shop, browser: Browser) -> None:
    one = shop.live()[0]
    browser.open(f"{shop.address}/incidents/{one.id}")
    sign(browser, shop, "Ann Example")
    browser.open(f"{shop.address}/incidents/{one.id}")
    browser.wait(".actions button")
    browser.run("window.stays = true")
    browser.press("Acknowledge")
    browser.wait_for_text("Ann Example", "dl.facts")
    assert browser.run("return window.stays") is True
    now = shop.incident(one.id)
    assert now is not None
    assert (now.state, now.owner) == ("acknowledged", "Ann Example")
    assert now.history[-1].by == "Ann Example"


def sign(browser: Browser, shop: Shop, name: str) -> None:
    """Say who looks, in the page's own form."""
    browser.wait(".bar summary").click()
    field = browser.wait("#who")
    field.clear()
    field.send_keys(name)
    browser.press("Keep it")
    browser.wait_for_text(name, ".bar")


def place_orders(shop: Shop) -> None:
    """Orders of just now."""
    now, names = int(time.time() * 1000), TopicNames(shop.config.namespace)
    producer = open_producer(shop.config)
    try:
        for each in range(MORE):
            name = f"browser-{now}-{each}"
            event = OrderPlaced(
                specversion="1.0", id=name, source="/tests", time=format_time(now - each), subject=name,
                data=PlacedData(order_id=name, amount=1_000, currency="EUR", channel="web", region="north"),
            )  # fmt: skip
            producer.send(names.orders, encode(event), name.encode())
        producer.flush()
    finally:
        producer.close()
