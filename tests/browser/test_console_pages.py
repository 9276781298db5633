"""The console as people use it: in a browser, on real topics, with a worker that takes in what they say."""

from __future__ import annotations


def test_now(browser) -> None:
    browser.open("/")
    browser.sees("Open incidents (")
