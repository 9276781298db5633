"""The command line: fast help with examples, mistakes in one line, the configuration found."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from streams.cli import _command as command_of
from streams.cli import cli
from streams.cli.running import Run
from streams.cli.settings import Settings
from streams.cli.table import chosen
from streams.errors import BrokerError, ConfigError
from streams.runtime.instance import Instance, announce, claimed
from streams.runtime.ports import next_free

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python of its own, from the project's root."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration but the packaged one, no address of a real broker."""
    for name in list(os.environ):
        if name.startswith("DAYBOOK_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DAYBOOK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and subcommand, with its path."""
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_every_command_has_help_and_an_example(path: tuple[str, ...]) -> None:
    result = call(*path, "--help")
    assert result.exit_code == 0
    assert "For example:\n" in result.output
    assert f" {path[0]} " in result.output.partition("For example:\n")[2].replace("\n", " ")


def test_help_is_fast_because_nothing_heavy_is_imported() -> None:
    script = (
        "import sys\nfrom streams.cli import cli\ncli.main(['run', '--help'], standalone_mode=False)\n"
        "heavy = {'kafka', 'faust', 'aiokafka', 'numpy', 'numba', 'polars', 'rich', 'yaml'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = python("-c", script)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("worker", "worker"),
        ("--namespace worker import orders.csv", "import"),
        ("--namespace=shop --config there.yaml worker", "worker"),
        ("--version", ""),
        ("--config", ""),
        ("", ""),
    ],
)
def test_which_command_is_meant_is_known_before_anything_is_imported(words: str, meant: str) -> None:
    assert command_of(words.split()) == meant


def test_the_version_is_told() -> None:
    assert call("--version").output.startswith("daybook, version ")


def test_a_right_configuration_is_summed_up() -> None:
    result = call("config", "check")
    assert result.exit_code == 0
    assert "26 KPIs" in result.output


def test_every_mistake_in_a_configuration_is_one_line_and_status_2(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("namspace: x\ntime:\n  pane: often\n")
    for arguments in (("--config", str(file), "config", "check"), ("config", "check", "--config", str(file))):
        result = call(*arguments)
        assert result.exit_code == 2
        lines = result.stderr.splitlines()
        assert len(lines) == 2
        assert lines[0].startswith(f"daybook: {file}:1: namspace: unknown key")
        assert lines[1].startswith(f"daybook: {file}:3: time.pane: 'often'")
        assert "Traceback" not in result.output


def test_the_namespace_can_be_given_before_or_after_the_command() -> None:
    for arguments in (
        ("--namespace", "trial", "config", "check"),
        ("config", "check", "--namespace", "trial"),
    ):
        assert "namespace trial" in call(*arguments).output


@pytest.mark.parametrize(
    "arguments",
    [("top",), ("status",), ("topics", "list"), ("topics", "create"), ("dlq", "list"), ("worker",)],
)
def test_no_broker_is_one_line_at_once(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    port = next_free(HOST, 25_000)
    monkeypatch.setenv("DAYBOOK_BOOTSTRAP", f"{HOST}:{port}")
    begun = time.monotonic()
    result = call(*arguments)
    assert time.monotonic() - begun < 5
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [f"daybook: {HOST}:{port}: no Kafka broker answers there (connection refused)"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kpi", "profit"), "--kpi profit: no KPI has that in its name (there are orders_placed, revenue"),
        (("--by", "colour"), "--by colour: not a dimension (there are region, channel"),
        (("--by", "queue,carrier"), "--by queue,carrier: no KPI is sliced by that combination"),
        (("--window", "soon"), "--window: 'soon' is not a duration"),
        (("--since", "ever"), "'ever' is not a duration (expected like 30s, 5m, 1h, 1d, 1w)"),
    ],
)
def test_top_names_what_there_is_instead(arguments: tuple[str, ...], message: str) -> None:
    result = call("top", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("revenue", ("revenue",)),
        ("on_time", ("on_time_ratio",)),  # not resolution_time
        ("orders", ("orders_placed", "orders_open", "orders_unshipped_overdue")),
        ("overdue", ("orders_unshipped_overdue", "deliveries_overdue")),
    ],
)
def test_a_kpi_is_meant_by_its_name_its_beginning_or_a_part_of_it(wanted: str, meant: tuple[str, ...]) -> None:
    assert chosen(Settings().load(), (wanted,), None, None).kpis == meant


def test_the_addresses_of_what_runs_in_the_data_folder_are_used(tmp_path: Path) -> None:
    port = next_free(HOST, 25_100)
    with claimed(tmp_path / "data", "daybook"):
        instance = Instance(pid=1, namespace="daybook", bootstrap=f"{HOST}:{port}", metrics=f"{HOST}:9777")
        announce(tmp_path / "data", instance)
        result = call("status")
        assert f"using the broker that runs here: {HOST}:{port}" in result.stderr
        assert f"{HOST}:{port}: no Kafka broker answers there" in result.stderr
        # Another namespace is another instance's business.
        assert f"{HOST}:{port}" not in call("--namespace", "other", "status").stderr


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with claimed(tmp_path / "data", "daybook"):
        result = call("run")
    assert result.exit_code == 2
    assert "Daybook already runs here" in result.stderr


def test_ports_in_use_are_said_and_the_next_free_ones_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import socket

    port = next_free(HOST, 25_200)
    with socket.socket() as taken:
        taken.bind((HOST, port))
        taken.listen()
        monkeypatch.setenv("DAYBOOK_BOOTSTRAP", f"{HOST}:{port}")
        monkeypatch.setenv("DAYBOOK_EMBEDDED", "true")
        monkeypatch.setenv("DAYBOOK_METRICS_PORT", str(port))
        monkeypatch.setenv("DAYBOOK_CONSOLE_PORT", str(port))
        monkeypatch.setenv("DAYBOOK_DATA_DIR", str(tmp_path))
        settings = Settings()
        Run(settings, None, table=False, archive=False, console=True)
    config = settings.load()
    assert config.kafka.embedded
    broker = int(config.kafka.bootstrap.rpartition(":")[2])
    assert port < broker < config.worker.metrics_port < config.console.port
    assert not config.notify.link  # nobody else could open a link to this machine
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"port {port} is in use: the broker takes {broker}",
        f"port {port} is in use: the worker's metrics take {config.worker.metrics_port}",
        f"port {port} is in use: the console takes {config.console.port}",
    ]


def test_links_lead_to_the_console_where_others_can_open_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAYBOOK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DAYBOOK_CONSOLE_HOST", HOST)
    monkeypatch.setattr("dashboards.console.address.is_loopback", lambda _: False)
    settings = Settings()
    Run(settings, None, table=False, archive=False, console=True)
    port = settings.load().console.port
    assert settings.load().notify.link == f"http://{HOST}:{port}/incidents/{{id}}"
    monkeypatch.setenv("DAYBOOK_LINK", "https://ops.example/{id}")
    settings = Settings()
    Run(settings, None, table=False, archive=False, console=True)
    assert settings.load().notify.link == "https://ops.example/{id}"


def test_run_does_not_begin_where_anybody_could_look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAYBOOK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DAYBOOK_CONSOLE_HOST", "0.0.0.0")
    monkeypatch.delenv("DAYBOOK_CONSOLE_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match="set DAYBOOK_CONSOLE_PASSWORD"):
        Run(Settings(), None, table=False, archive=False, console=True)


def test_run_without_its_own_broker_needs_one_that_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAYBOOK_BOOTSTRAP", f"{HOST}:{next_free(HOST, 25_300)}")
    monkeypatch.setenv("DAYBOOK_EMBEDDED", "false")
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    try:
        with claimed(tmp_path / "data", "daybook"), pytest.raises(BrokerError, match="no Kafka broker answers there"):
            Run(Settings(), None, table=False, archive=False, console=False).go()
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), handlers, strict=True):
            signal.signal(number, handler)


def test_output_into_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m streams.cli --help | head -1; exit 0"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.stderr == ""
    assert done.stdout == "Usage: daybook [OPTIONS] COMMAND [ARGS]...\n"


def test_ctrl_c_is_status_130_and_silent() -> None:
    script = (
        # What a shell starts in the background ignores it, and so do its children.
        "import os, signal, streams.cli.check, streams.cli.settings\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "streams.cli.settings.Settings.load = lambda self: (os.kill(os.getpid(), signal.SIGINT), signal.pause())\n"
        "from streams.cli import main\nimport sys\nsys.argv = ['daybook', 'config', 'check']\nmain()\n"
    )
    done = python("-c", script)
    assert (done.returncode, done.stderr.strip()) == (130, "")
