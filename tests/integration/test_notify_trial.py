"""``daybook notify test``: a message to everybody who would be told, to real receivers on this machine."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest_asyncio
from standardwebhooks.webhooks import Webhook

from tests.integration.test_notify_channels import SECRET
from tests.support.receiver import Receiver


@pytest_asyncio.fixture
async def receivers() -> AsyncIterator[tuple[Receiver, Receiver]]:
    """Alertmanager's place, and a program's."""
    found = await Receiver().start(), await Receiver().start()
    yield found
    for one in found:
        await one.close()


async def daybook(file: Path, *arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
    argv = [sys.executable, "-m", "streams.cli", "--config", str(file), *arguments]
    return await asyncio.to_thread(
        subprocess.run, argv, env={**clean, **env}, capture_output=True, text=True, timeout=60, check=False
    )


def written(folder: Path, alertmanager: Receiver) -> Path:
    file = folder / "daybook.yaml"
    file.write_text(
        f"notify:\n  alertmanager: {alertmanager.url}\n  webhooks: [{{ url: env:HOOK, secret_env: HOOK_SECRET }}]\n"
    )
    return file


async def test_everybody_gets_a_message_that_nothing_is_wrong(
    tmp_path: Path, receivers: tuple[Receiver, Receiver]
) -> None:
    alertmanager, program = receivers
    env = {"HOOK": program.url, "HOOK_SECRET": SECRET}
    done = await daybook(written(tmp_path, alertmanager), "notify", "test", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["alertmanager  taken", "webhook:HOOK  taken"]
    (alert,) = alertmanager.requests[0].json
    assert alert["labels"]["severity"] == "info"
    assert "Nothing is wrong" in alert["annotations"]["description"]
    request = program.requests[0]
    Webhook(SECRET).verify(request.body, request.headers)
    assert request.json["type"] == "incident.test"


async def test_who_does_not_take_it_is_named_and_the_others_are_told(
    tmp_path: Path, receivers: tuple[Receiver, Receiver]
) -> None:
    alertmanager, program = receivers
    program.status = 403
    env = {"HOOK": program.url, "HOOK_SECRET": SECRET}
    done = await daybook(written(tmp_path, alertmanager), "notify", "test", env=env)
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["alertmanager  taken", "webhook:HOOK  not taken: HTTP 403 (no)"]


async def test_the_check_of_a_configuration_misses_what_the_environment_lacks(
    tmp_path: Path, receivers: tuple[Receiver, Receiver]
) -> None:
    file = written(tmp_path, receivers[0])
    done = await daybook(file, "config", "check", env={"HOOK_SECRET": SECRET})
    assert done.returncode == 2
    assert done.stderr == "daybook: notify.webhooks[0].url: the environment variable HOOK is not set\n"
    done = await daybook(file, "config", "check", env={"HOOK": "http://127.0.0.1:1", "HOOK_SECRET": SECRET})
    assert done.stdout.splitlines()[-1] == "told of incidents: alertmanager, webhook:HOOK"


async def test_where_nobody_is_told_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "daybook.yaml").write_text("namespace: shop\n")
    done = await daybook(tmp_path / "daybook.yaml", "notify", "test", env={})
    assert done.returncode == 2
    assert "nobody is told" in done.stderr
