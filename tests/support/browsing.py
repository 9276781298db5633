"""Headless Chromium, driven through Selenium: pages, what they ask for, what they look like."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.support.programs import program

DESKTOP, PHONE = (1280, 900), (390, 844)
WITHIN = 20.0
_ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


class Browser:
    """One browser; ``base`` is where the console is, like ``http://127.0.0.1:8080``."""

    def __init__(self, base: str) -> None:
        self.base = base
        options = Options()
        options.binary_location = program("chromium", "chromium-browser", "google-chrome")
        # The sandbox wants rights that a container does not give; only our own pages are shown.
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(program("chromedriver")))
        self.driver.set_page_load_timeout(30)

    def close(self) -> None:
        self.driver.quit()

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """Look at pages in this size, light or dark as the system would say."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, path: str) -> None:
        """Open a page, and wait until it is there and listens."""
        self.driver.get(self.base + path)
        self.until(lambda: self.script("return document.querySelector('h1') !== null"))
        self.until(lambda: self.script("return window.socket === undefined || window.socket.connected"))

    def script(self, text: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(text, *arguments)

    def until(self, holds: Callable[[], Any], within: float = WITHIN) -> Any:
        """What is said once it is true."""
        end = time.monotonic() + within
        while not (found := holds()):
            assert time.monotonic() < end, f"not within {within:g} s: {self.text[:2_000]}"
            time.sleep(0.05)
        return found

    def sees(self, text: str, within: float = WITHIN) -> None:
        """Wait until a text is on the page."""
        self.until(lambda: text in self.text, within)

    @property
    def text(self) -> str:
        """All that can be read."""
        return str(self.script("return document.body.innerText"))

    def find(self, css: str) -> WebElement:
        """The first element, once it is there."""
        found: WebElement = self.until(lambda: next(iter(self.driver.find_elements(By.CSS_SELECTOR, css)), None))
        return found

    def all(self, css: str) -> list[WebElement]:
        """All elements."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def button(self, text: str) -> WebElement:
        """The button with this text that can be seen."""

        def look() -> WebElement | None:
            return next((one for one in self.all("button") if one.text == text and one.is_displayed()), None)

        found: WebElement = self.until(look)
        return found

    def requests(self) -> list[dict[str, Any]]:
        """What the pages have asked for since this was asked last: (url, bytes that came over the wire)."""
        found: dict[str, dict[str, Any]] = {}
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            parameters = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                found[parameters["requestId"]] = {"url": parameters["request"]["url"], "bytes": 0}
            elif message["method"] == "Network.webSocketCreated":
                found[parameters["requestId"]] = {"url": parameters["url"], "bytes": 0}
            elif message["method"] == "Network.loadingFinished" and parameters["requestId"] in found:
                found[parameters["requestId"]]["bytes"] = parameters["encodedDataLength"]
        return list(found.values())

    def errors(self) -> list[str]:
        """What the browser has complained of since this was asked last."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        width = self.script("return window.innerWidth")
        height = self.script("return Math.min(document.documentElement.scrollHeight, 4000)")
        metrics = {"width": width, "height": max(height, 600), "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(path))


def host_of(url: str) -> str:
    """Host and port of an address."""
    return urlsplit(url).netloc
