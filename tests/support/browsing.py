"""What somebody sees who looks at a page with Chromium, without a screen."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage")
TALLEST = 2_600


class Browser:
    """A browser; paths are files."""

    def __init__(self, chromium: str, chromedriver: str) -> None:
        options = Options()
        options.binary_location = chromium
        for argument in ARGUMENTS:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(chromedriver))
        self.driver.set_page_load_timeout(30)

    def close(self) -> None:
        self.driver.quit()

    def forget(self) -> None:
        """Begin anew: no cookies, nothing in a cache, nothing said before."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
        for log in ("performance", "browser"):
            self.driver.get_log(log)

    def look_like(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be as wide and high as a screen of so many pixels, on a system that is set to light or dark."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, address: str) -> None:
        """Go to a page, and wait for its first content."""
        self.driver.get(address)
        self.wait("h1")

    def wait(self, selector: str, seconds: float = 15.0) -> WebElement:
        """The first element of a selector, once there is one."""
        found: WebElement = WebDriverWait(self.driver, seconds).until(
            lambda driver: driver.find_element(By.CSS_SELECTOR, selector) if self.count(selector) else False,
            f"{selector} on {self.driver.current_url}",
        )
        return found

    def wait_for_text(self, text: str, selector: str = "body", seconds: float = 20.0) -> None:
        """Wait until an element of a selector says something."""
        WebDriverWait(self.driver, seconds).until(
            lambda _: text in self.text(selector), f"{text!r} in {self.text(selector)!r}"
        )

    def count(self, selector: str) -> int:
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def text(self, selector: str) -> str:
        """What is seen of the first element of a selector; nothing where there is none."""
        script = "const one = document.querySelector(arguments[0]); return one ? one.innerText : ''"
        return str(self.driver.execute_script(script, selector))

    def press(self, name: str) -> None:
        """Press the button that is called so."""
        button = next(one for one in self.driver.find_elements(By.CSS_SELECTOR, "button") if one.text.strip() == name)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()

    def run(self, script: str, *given: Any) -> Any:
        """What a script of the page returns."""
        return self.driver.execute_script(script, *given)

    def is_wider_than_the_screen(self) -> bool:
        return bool(self.run("return document.documentElement.scrollWidth > window.innerWidth"))

    def first_content_ms(self) -> float:
        """Milliseconds from the request to the first content that was painted."""
        return float(self.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime"))

    def network(self) -> tuple[set[str], int]:
        """The hosts that were asked for anything, and the bytes that came, since this was last called."""
        hosts, weight = set(), 0
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            given = message["params"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                host = urlsplit(given.get("url") or given["request"]["url"]).netloc
                hosts |= {host} if host else set()
            elif message["method"] == "Network.loadingFinished":
                weight += int(given["encodedDataLength"])
        return hosts, weight

    def complaints(self) -> list[str]:
        """What the browser wrote down as errors."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def faults(self) -> list[str]:
        """What keeps people out, as axe finds it."""
        # All that fits is of no use here, and takes as long to be told.
        found = Axe().run(self.driver, options={"resultTypes": ["violations"]})["violations"]
        return [f"{one['id']}: {one['help']}: {node['html'][:200]}" for one in found for node in one["nodes"]]

    def picture(self, path: Path, width: int, height: int, *, dark: bool) -> None:
        """Write down what is seen, down to the end of the page."""
        whole = int(self.run("return document.documentElement.scrollHeight"))
        self.look_like(width, max(height, min(whole, TALLEST)), dark=dark)
        time.sleep(0.3)  # a chart draws itself again
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))
