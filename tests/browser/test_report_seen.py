"""The report of a replay as somebody sees it who opens the file: on a phone, in the dark, in another time zone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains

from dashboards.report.write import write_report
from tests.support.browsing import Browser
from tests.support.reported import results_in
from tests.support.waiting import eventually

PICTURES = Path(__file__).resolve().parents[2] / "build" / "screenshots"
SCREENS = {"desk": (1280, 900, False), "phone": (390, 844, True)}
DRAWN = ".plot:has(svg path)"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(results_in(tmp_path_factory.mktemp("runs") / "october")).as_uri()


@pytest.mark.parametrize("screen", SCREENS)
def test_it_keeps_nobody_out_and_asks_nobody(address: str, browser: Browser, screen: str) -> None:
    width, height, dark = SCREENS[screen]
    browser.look_like(width, height, dark=dark)
    browser.open(address)
    assert browser.count(".plot") == 3
    for number in range(3):
        browser.run("document.querySelectorAll('.plot')[arguments[0]].scrollIntoView()", number)
        eventually(lambda wanted=number + 1: browser.count(DRAWN) >= wanted, 10.0)
    assert not browser.is_wider_than_the_screen()
    assert browser.faults() == []
    assert browser.complaints() == [], "nor does its own policy forbid it anything"
    hosts, _ = browser.network()
    assert hosts == set()
    browser.picture(PICTURES / f"report-{screen}.png", width, height, dark=dark)


def test_plots_follow_the_system_from_light_to_dark(address: str, browser: Browser) -> None:
    ink = "return getComputedStyle(document.querySelector('.plot svg text')).fill"
    browser.open(address)
    browser.run("document.querySelector('.plot').scrollIntoView()")
    browser.wait(".plot svg text")
    light = browser.run(ink)
    browser.look_like(1280, 900, dark=True)
    eventually(lambda: browser.run(ink) != light, 10.0)


def test_it_is_printed_with_plots_that_nobody_has_scrolled_to(address: str, browser: Browser) -> None:
    browser.open(address)
    assert browser.count(DRAWN) < 3
    browser.driver.execute_cdp_cmd("Page.printToPDF", {})
    assert browser.count(DRAWN) == 3


def test_an_incident_is_zoomed_to_and_out_of_again(address: str, browser: Browser) -> None:
    browser.open(address)
    browser.run("document.querySelectorAll('.plot')[2].scrollIntoView({block: 'center'})")
    browser.wait(".plot + .zooms [aria-label='Zoom to incident 2']").click()
    # From a day before it on Thursday at four to the end on Thursday at noon.
    is_told(browser, 2, r"Wed,? 4 Nov,? (19|2[01]):00(\n.*)*")
    browser.run("document.querySelectorAll('.plot')[2].nextElementSibling.lastElementChild.click()")
    is_told(browser, 2, r"Wed,? 4 Nov,? 1[0-3]:00(\n.*)*")


def is_told(browser: Browser, number: int, wanted: str) -> None:
    """Wait until what is told where somebody points to the middle of a plot is as wanted, a pattern."""
    plot = browser.driver.find_elements("css selector", ".plot")[number]
    tip = "return arguments[0].querySelector(':scope > div:last-child').innerText"
    # Halfway from Tuesday noon to Thursday noon, but for what the axis takes.
    ActionChains(browser.driver).move_to_element_with_offset(plot, 0, -60).move_to_element(plot).perform()
    eventually(lambda: re.fullmatch(wanted, browser.run(tip, plot)) is not None, 10.0)


def test_hours_are_the_businesss_in_another_time_zone_and_are_told_where_one_points(
    address: str, browser: Browser
) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
    try:
        browser.open(address)
        browser.run("document.querySelector('.plot').scrollIntoView({block: 'center'})")
        browser.wait(".plot svg")
        is_told(browser, 0, r"Wed,? 4 Nov,? 1[0-3]:00\nvalue 1\d orders\nexpected 5 to 15")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})
