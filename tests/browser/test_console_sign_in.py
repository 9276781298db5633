"""Who may look and who may act: also where a request is made up, or comes from another site."""

from __future__ import annotations

import http.client
import re
from urllib.parse import urlencode, urlsplit

import pytest

from streams.runtime.incidents import read_incidents
from tests.browser.conftest import PASSWORD, READER_PASSWORD, Shop, until
from tests.support.browsing import Browser
from tests.support.prepared_incident import PREPARED, prepare

ELSEWHERE = "http://shop.example"
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def ask(
    address: str, method: str, path: str, headers: dict[str, str] | None = None, body: str | None = None
) -> tuple[int, dict[str, str]]:
    """The status and the headers of an answer."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    try:
        form = {} if body is None else {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, body, form | (headers or {}))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def sign_in(browser: Browser, address: str, name: str, password: str) -> None:
    browser.open(address)
    browser.wait("#name").send_keys(name)
    browser.wait("#password").send_keys(password)
    browser.press("Sign in")
    browser.wait(".bar")


def cookie_of(address: str, password: str, by: str = "http") -> str:
    """The cookie of who signs in, through a proxy that was reached ``by`` a protocol."""
    body = urlencode({"name": "Rita", "password": password})
    _, headers = ask(address, "POST", "/sign-in", {"X-Forwarded-Proto": by}, body)
    return headers["set-cookie"]


def test_pages_and_sockets_need_a_password_and_health_does_not(guarded: str) -> None:
    assert ask(guarded, "GET", "/healthz")[0] == 200
    for path in ("/", "/incidents", "/status", "/kpi/orders_placed"):
        status, headers = ask(guarded, "GET", path, {"Accept": "text/html"})
        assert (status, headers["location"].partition("?")[0]) == (303, "/sign-in")
    for path in ("/kpi/orders_placed/events.csv?at=0", f"/incidents/{PREPARED}/worklist.csv", "/openapi.json", "/docs"):
        assert ask(guarded, "GET", path)[0] == 401
    assert ask(guarded, "GET", SOCKET, UPGRADE)[0] == 403


def test_a_wrong_password_is_refused_and_a_right_one_opens_what_was_asked_for(guarded: str, browser: Browser) -> None:
    browser.open(f"{guarded}/incidents")
    browser.wait("#name").send_keys("Ann")
    browser.wait("#password").send_keys("a guess")
    browser.press("Sign in")
    browser.wait_for_text("not a password", "[role=alert]")
    assert browser.faults() == []
    browser.wait("#password").send_keys(PASSWORD)
    browser.press("Sign in")
    browser.wait_for_text("Incidents", "h1")
    assert browser.driver.current_url == f"{guarded}/incidents"
    assert "Ann" in browser.text(".bar")


def test_cookies_are_kept_from_scripts_and_other_sites_and_cannot_be_made_up(guarded: str) -> None:
    given = cookie_of(guarded, PASSWORD)
    assert "httponly" in given.lower()
    assert re.search("samesite=(lax|strict)", given.lower())
    assert "secure" not in given.lower()
    assert "; secure" in cookie_of(guarded, PASSWORD, "https").lower(), "behind a proxy with TLS"
    cookie = given.partition(";")[0]
    assert ask(guarded, "GET", "/", {"Cookie": cookie})[0] == 200
    assert ask(guarded, "GET", "/", {"Cookie": f"{cookie[:-2]}xx"})[0] == 401
    # What a reader has been given does not become more by being changed.
    name, _, value = cookie_of(guarded, READER_PASSWORD).partition(";")[0].partition("=")
    assert ask(guarded, "GET", "/", {"Cookie": f"{name}={value}"})[0] == 200
    assert ask(guarded, "GET", "/", {"Cookie": f"{name}=WyJSaXRhIiwiYWN0cyJd{value[value.index('.') :]}"})[0] == 401


@pytest.mark.parametrize("headers", [{"Origin": ELSEWHERE}, {"Host": "shop.example"}, {"Origin": "null"}])
def test_what_comes_from_another_site_is_refused(shop: Shop, headers: dict[str, str]) -> None:
    body = urlencode({"name": "Eve"})
    assert ask(shop.address, "POST", "/name", headers, body)[0] == 403
    assert ask(shop.address, "GET", SOCKET, UPGRADE | headers)[0] == 403
    assert ask(shop.address, "GET", SOCKET, UPGRADE | {"Origin": shop.address})[0] == 101


def test_every_answer_forbids_scripts_and_frames_of_others(shop: Shop) -> None:
    for path in ("/", "/healthz", "/nowhere"):
        _, headers = ask(shop.address, "GET", path)
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_a_reader_sees_no_buttons_and_a_made_up_request_changes_nothing(
    shop: Shop, guarded: str, browser: Browser
) -> None:
    prepare(shop.config)
    sign_in(browser, f"{guarded}/incidents", "Rita Reader", READER_PASSWORD)
    until(lambda: f"/incidents/{PREPARED}" in browser.run("return document.body.innerHTML"), 20.0, "it is listed")
    browser.open(f"{guarded}/incidents/{PREPARED}")
    browser.wait("tbody input")
    assert browser.count(".actions button") == 0
    # Ticked by a script that does not mind that it cannot be.
    browser.run(
        "const tick = document.querySelector('tbody input'); tick.disabled = false; tick.removeAttribute('disabled');"
        "tick.click();"
    )
    browser.open(f"{guarded}/incidents/{PREPARED}")
    browser.wait("tbody input")
    browser.wait_for_text("0 of 8 contacted")
    revisions = read_incidents(shop.config)[PREPARED]
    assert all(not change.by for one in revisions for change in one.history)


def test_who_may_act_ticks_a_line_and_all_who_look_see_it_at_once(shop: Shop, guarded: str, browser: Browser) -> None:
    prepare(shop.config)
    sign_in(browser, f"{guarded}/incidents", "Ann Acts", PASSWORD)
    address = f"{guarded}/incidents/{PREPARED}"
    until(lambda: f"/incidents/{PREPARED}" in browser.run("return document.body.innerHTML"), 20.0, "it is listed")
    browser.open(address)
    browser.wait("tbody input")
    first, second = browser.driver.current_window_handle, None
    browser.driver.switch_to.new_window("tab")
    second = browser.driver.current_window_handle
    try:
        browser.open(address)
        browser.wait_for_text("0 of 8 contacted")
        browser.driver.switch_to.window(first)
        browser.wait("tbody input").click()
        browser.wait_for_text("1 of 8 contacted")
        browser.driver.switch_to.window(second)
        browser.wait_for_text("1 of 8 contacted")
        assert "Ann Acts" in browser.text("tr:has(input)")
        assert browser.run("return document.querySelector('tbody input').checked") is True
    finally:
        browser.driver.switch_to.window(second)
        browser.driver.close()
        browser.driver.switch_to.window(first)
