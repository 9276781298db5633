"""What every page of the console owes to whoever looks: on a phone, in the dark, by keys, to a screen reader, over a
slow line. Pictures of all are written to build/screenshots."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import Shop
from tests.support.browsing import Browser
from tests.support.prepared_incident import PREPARED, prepare

PICTURES = Path(__file__).resolve().parents[2] / "build" / "screenshots"
SCREENS = {"desk": (1280, 900), "phone": (390, 844)}
LOOKED_THROUGH = {("desk", False), ("phone", True)}
"""Where axe looks, which takes seconds: each width once, light and dark once."""
PAGES = {
    "now": ("/", ".tile .value"),
    "incidents": ("/incidents", ".incident"),
    "incident": (f"/incidents/{PREPARED}", "tbody input"),
    "kpi": ("/kpi/orders_placed", ".chart svg path"),
    "status": ("/status", "dl.facts"),
}
"""By page its path, and what is there once it shows what it knows."""
HEAVIEST = 2_500_000
"""Bytes that come over the line for the first page that somebody opens."""
FIRST_CONTENT_MS = 2_500.0
ANOTHER_TIME_S = 20.0


@pytest.fixture(scope="module", autouse=True)
def _prepared(shop: Shop) -> None:
    prepare(shop.config)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_keeps_nobody_out(shop: Shop, browser: Browser, page: str) -> None:
    """Landmarks, headings, labels, names, contrast in light and dark, and no scrolling sideways on a phone."""
    path, there = PAGES[page]
    found = {}
    for screen, (width, height) in SCREENS.items():
        browser.look_like(width, height)
        browser.open(shop.address + path)
        browser.wait(there, ANOTHER_TIME_S)
        for dark in (False, True):
            browser.look_like(width, height, dark=dark)
            name = f"{page}-{screen}-{'dark' if dark else 'light'}"
            assert not browser.is_wider_than_the_screen(), name
            if (screen, dark) in LOOKED_THROUGH:
                found[name] = browser.faults()
            browser.picture(PICTURES / f"{name}.png", width, height, dark=dark)
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert browser.complaints() == []


def test_nothing_comes_from_another_host_and_little_comes_at_all(shop: Shop, browser: Browser) -> None:
    browser.open(shop.address)
    browser.wait(".tile .value")
    hosts, weight = browser.network()
    assert hosts == {shop.address.removeprefix("http://")}
    assert 0 < weight < HEAVIEST
    assert browser.first_content_ms() < FIRST_CONTENT_MS
    # Nor do the pages with charts and tables ask anybody else.
    for path, there in list(PAGES.values())[2:]:
        browser.open(shop.address + path)
        browser.wait(there, ANOTHER_TIME_S)
    hosts, _ = browser.network()
    assert hosts == {shop.address.removeprefix("http://")}


def test_the_first_key_leads_past_the_navigation_and_focus_is_seen(shop: Shop, browser: Browser) -> None:
    browser.open(shop.address)
    browser.wait("body").send_keys(Keys.TAB)
    focused = browser.driver.switch_to.active_element
    assert focused.text == "Go to the content"
    assert browser.run("return getComputedStyle(arguments[0]).outlineStyle", focused) != "none"
    assert focused.rect["x"] >= 0
    focused.send_keys(Keys.ENTER)
    assert browser.run("return document.activeElement.id") == "content"


def test_light_and_dark_are_the_systems_until_somebody_switches(shop: Shop, browser: Browser) -> None:
    def paper() -> str:
        return str(browser.run("return getComputedStyle(document.body).backgroundColor"))

    browser.open(shop.address)
    light = paper()
    browser.look_like(1280, 900, dark=True)
    dark = paper()
    assert light != dark
    browser.press("Theme: system")
    assert (browser.text("[data-theme-switch]"), paper()) == ("Theme: light", light)
    browser.open(shop.address)
    assert paper() == light
    browser.run("localStorage.clear()")


def test_an_hour_of_a_kpi_is_opened_down_to_its_events(shop: Shop, browser: Browser) -> None:
    browser.open(f"{shop.address}/kpi/orders_placed")
    browser.wait("details.more summary").click()
    browser.wait("details.more tbody a").click()
    browser.wait_for_text("The events behind")
    browser.wait_for_text("order.placed", "table + *, body", ANOTHER_TIME_S)
    value = browser.text("#hour ~ div tbody td.num, #hour ~ div tbody td")
    assert value
    download = browser.wait("a[download]").get_attribute("href")
    assert download is not None
    text = browser.run(
        "const done = new XMLHttpRequest(); done.open('GET', arguments[0], false); done.send(); "
        "return done.responseText", download,
    )  # fmt: skip
    head, *lines = text.splitlines()
    assert head.startswith("time,type,subject")
    assert lines
    assert all(",order.placed," in line for line in lines)
