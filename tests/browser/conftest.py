"""One shop with trouble, one worker and one browser for all tests here."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from streams.config import Config
from streams.runtime.broker import EmbeddedBroker
from streams.runtime.incidents import read_incidents
from streams.runtime.topics import create_topics
from tests.integration.conftest import free_port
from tests.support.browsing import Browser
from tests.support.console import NOW, Child, Shopping, answers, config_of, environment_of
from tests.support.programs import program

TAKEN_IN_WITHIN = 180.0


@dataclass
class World:
    """All that runs. ``shopping`` sends on what the shop does."""

    folder: Path
    environment: dict[str, str]
    config: Config
    worker: Child
    shopping: Shopping
    children: list[Child] = field(default_factory=list)

    def console(self, **environment: str) -> tuple[Child, str]:
        """A console, once it answers, and where."""
        port = free_port()
        given = self.environment | {"DAYBOOK_CONSOLE_PORT": str(port)} | environment
        child = Child(self.folder / f"console-{port}.log", given, "console")
        self.children.append(child)
        child.until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 30.0)
        return child, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The shop, taken in up to an open incident whose orders have been looked through."""
    for names in (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",)):
        program(*names)
    folder = tmp_path_factory.mktemp("console")
    with EmbeddedBroker(folder / "broker", free_port()) as broker:
        namespace = f"test-{uuid.uuid4().hex[:8]}"
        environment = environment_of(broker.bootstrap, namespace, folder / "data", free_port())
        config = config_of(environment)
        create_topics(config)
        worker = Child(folder / "worker.log", environment, "worker")
        made = World(folder, environment, config, worker, Shopping(config))
        try:
            made.shopping.until(NOW)
            worker.until(lambda: _is_taken_in(config), TAKEN_IN_WITHIN)
            yield made
        finally:
            for child in (*made.children, worker):
                child.kill()


def _is_taken_in(config: Config) -> bool:
    newest = [revisions[-1] for revisions in read_incidents(config).values()]
    return any(one.live and one.assessment is not None and one.assessment.cases for one in newest)


@pytest.fixture(scope="session")
def console(world: World) -> str:
    """Where the console is that nobody has to sign in to."""
    return world.console()[1]


@pytest.fixture(scope="session")
def chromium(console: str) -> Iterator[Browser]:
    made = Browser(console)
    yield made
    made.close()


@pytest.fixture
def browser(chromium: Browser, console: str) -> Browser:
    """The browser, with nothing remembered."""
    chromium.base = console
    chromium.driver.delete_all_cookies()
    chromium.size(1280, 900)
    chromium.requests()
    chromium.errors()
    return chromium


@pytest.fixture
def incident(world: World) -> str:
    """The id of an incident that is open."""
    newest = [revisions[-1] for revisions in read_incidents(world.config).values()]
    return next(one.id for one in newest if one.live and one.assessment is not None and one.assessment.cases)
