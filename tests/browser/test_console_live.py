"""The console of a shop that is open: what happens is seen without loading the page again, what is said is written
down."""

from __future__ import annotations

import os
import signal
import time

from selenium.webdriver.common.by import By

from streams.events.codec import encode
from streams.events.times import format_time
from streams.events.types import OrderPlaced, PlacedData
from streams.runtime.letters import Letter, read_letters
from streams.runtime.producer import open_producer
from streams.runtime.topics import TopicNames
from tests.browser.conftest import Shop, answers, until
from tests.support.browsing import Browser
from tests.support.prepared_incident import PREPARED, prepare

FIRST_TILES_WITHIN = 20.0
MORE = 300
LEAVE = 30
"""So many orders may leave a window of a day while a console is killed and comes back."""


def number(text: str) -> int:
    return int(text.split()[0].replace(",", ""))


def test_tiles_change_without_loading_the_page_again(shop: Shop, browser: Browser) -> None:
    browser.open(shop.address)
    tile = browser.wait("a[href='/kpi/orders_placed'] .value")
    # The past of the shop moves the tile too, until all of it has been told.
    until(lambda: browser.count(".notice") == 0, 60.0, "what is shown is current")
    before = number(tile.text)
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


def test_a_dead_letter_is_read_and_sent_again_from_the_page_once(shop: Shop, browser: Browser) -> None:
    raw = b'{"specversion": "1.0", "id": "broken", "type": "order.placed"}'
    send(shop, raw)
    browser.open(f"{shop.address}/status")
    browser.wait_for_text("missing field", seconds=30.0)
    browser.wait("details:has(pre) > summary").click()
    browser.wait_for_text('"id": "broken"')
    browser.press("Send again")
    browser.wait_for_text("sent again by")
    # What is still wrong with it comes back, as a letter of its own; the first one cannot be sent once more.
    letters = until(lambda: two_letters(shop), 20.0, "it was set aside anew")
    assert {one.value for one in letters} == {raw}
    assert sorted(one.again is not None for one in letters) == [False, True]


def two_letters(shop: Shop) -> list[Letter]:
    found = read_letters(shop.config, "orders", None)
    return found if len(found) == 2 else []


def test_a_console_that_is_killed_comes_back_with_all_it_knew(shop: Shop, browser: Browser) -> None:
    prepare(shop.config)
    browser.open(shop.address)
    orders = number(browser.wait("a[href='/kpi/orders_placed'] .value").text) - LEAVE
    address = f"{shop.address}/incidents/{PREPARED}"
    browser.open(f"{shop.address}/incidents")
    browser.wait(f"a[href='/incidents/{PREPARED}']")
    browser.open(address)
    browser.wait("tbody input").click()
    browser.wait_for_text("1 of 8 contacted")
    revisions = browser.count("a[href*='revision=']")
    assert revisions >= 3
    browser.run("window.stays = true")
    os.kill(shop.console_pid(), signal.SIGKILL)
    until(lambda: not answers(shop.address), 10.0, "it is gone")
    until(lambda: answers(shop.address), 40.0, "it is there again")
    # Who had the page open need not do anything.
    until(lambda: not browser.run("return window.stays"), 20.0, "the page has found the console again")
    browser.wait_for_text("1 of 8 contacted")
    assert browser.count("a[href*='revision=']") == revisions
    browser.open(shop.address)
    tile = "a[href='/kpi/orders_placed'] .value"
    browser.wait(tile)
    until(lambda: browser.count(".notice") == 0, 60.0, "it has read what is current")
    until(lambda: number(browser.text(tile)) >= orders, 20.0, "the tile tells what it told before")
    browser.open(f"{shop.address}/kpi/orders_placed")
    browser.wait_for_text("values", ".nicegui-content .hint")
    browser.wait("details.more summary").click()
    assert browser.count("details.more tbody tr") > 100


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
    now = int(time.time() * 1000)
    events = []
    for each in range(MORE):
        name = f"browser-{now}-{each}"
        data = PlacedData(order_id=name, amount=1_000, currency="EUR", channel="web", region="north")
        at = format_time(now - each)
        events.append(
            encode(OrderPlaced(specversion="1.0", id=name, source="/tests", time=at, subject=name, data=data))
        )
    send(shop, *events)


def send(shop: Shop, *events: bytes) -> None:
    """Write records to the topic of orders."""
    topic = TopicNames(shop.config.namespace).orders
    producer = open_producer(shop.config)
    try:
        for event in events:
            producer.send(topic, event, b"browser")
        producer.flush()
    finally:
        producer.close()
