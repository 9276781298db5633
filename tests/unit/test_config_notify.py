"""The section ``notify``: what is read, what is refused, and that no message repeats a secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.config import Notify, WebhookTarget, load_config
from streams.errors import ConfigError

SECRET = "s3cr3t"


@pytest.fixture
def notify(tmp_path: Path) -> Callable[[str], Notify]:
    def notify(text: str) -> Notify:
        (tmp_path / "daybook.yaml").write_text(text)
        return load_config(tmp_path / "daybook.yaml", {}).notify

    return notify


def test_all_of_it(notify: Callable[[str], Notify]) -> None:
    assert notify(
        "notify:\n"
        "  alertmanager: http://127.0.0.1:9193\n"
        "  apprise: [env:PHONE, 'json://127.0.0.1:9/x']\n"
        "  webhooks: [{url: 'https://hooks.example.org/a', secret_env: KEY}, {url: env:HOOK}]\n"
        "  link: http://127.0.0.1:8080/incidents/{id}\n"
        "  runbook: https://example.org/runbook\n"
        "  quiet_hours: 22:00-7:00\n"
        "  held_back: info\n"
        "  per_hour: 3\n"
    ) == Notify(
        alertmanager="http://127.0.0.1:9193",
        apprise=("env:PHONE", "json://127.0.0.1:9/x"),
        webhooks=(
            WebhookTarget(url="https://hooks.example.org/a", secret_env="KEY"),
            WebhookTarget(url="env:HOOK", secret_env="DAYBOOK_WEBHOOK_SECRET"),
        ),
        link="http://127.0.0.1:8080/incidents/{id}",
        runbook="https://example.org/runbook",
        quiet_hours=(((1320, 1860),),) * 7,
        held_back=("info",),
        per_hour=3,
    )


def test_quiet_hours_by_weekday(notify: Callable[[str], Notify]) -> None:
    found = notify("notify: {quiet_hours: {saturday: '0:00-24:00', sunday: '0:00-9:00, 20:00-7:00'}}").quiet_hours
    assert found == ((),) * 5 + (((0, 1440),), ((0, 540), (1200, 1860)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alertmanager: 127.0.0.1:9193", "notify.alertmanager: is no address (expected like https://host:port/path)"),
        ("alertmanager: 'http://:9193'", "notify.alertmanager: is no address (expected like https://host:port/path)"),
        ("alertmanager: 'http://a:99999'", "notify.alertmanager: is no address (expected like https://host:port/path)"),
        ("apprise: env:1", "notify.apprise: 'env:1' names no environment variable (expected like env:DAYBOOK_PHONE)"),
        (
            "apprise: [PHONE]",
            "notify.apprise[0]: is a mere word (expected an address, or env:NAME for the variable that has it)",
        ),
        ("apprise: [env:A, env:A]", "notify.apprise[1]: is there twice"),
        (
            f"apprise: ['json://a', 'slak://{SECRET}']",
            "notify.apprise[1]: is no URL that Apprise can use; it begins with slak:// "
            "(https://appriseit.com/services says how they are written)",
        ),
        ("webhooks: [{secret_env: A}]", "notify.webhooks[0]: 'url' is missing"),
        (
            f"webhooks: [{{url: 'ftp://{SECRET}'}}]",
            "notify.webhooks[0].url: is no address (expected like https://host:port/path)",
        ),
        (
            "link: http://127.0.0.1:8080/",
            "notify.link: is no link (expected like http://127.0.0.1:8080/incidents/{id})",
        ),
        ("quiet_hours: night", "notify.quiet_hours: 'night' are no quiet hours (expected like 9:00-18:00)"),
        ("held_back: [none]", "notify.held_back[0]: 'none' is unknown (expected one of info, warning, critical)"),
        ("per_hour: 0", "notify.per_hour: '0' is not a whole number from 1 to 1000"),
        ("mail: x", "notify.mail: unknown key"),
    ],
)
def test_mistakes(notify: Callable[[str], Notify], text: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError) as caught:
        notify(f"namespace: shop\nnotify:\n  {text}\n")
    (line,) = str(caught.value).splitlines()
    assert ":3: " in line
    assert line.partition(":3: ")[2].startswith(message)
    assert SECRET not in str(caught.value) + caplog.text
