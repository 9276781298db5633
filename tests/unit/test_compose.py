"""``docker-compose.yml`` without an engine: it is what the specification asks for, and true to the code it runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml

from streams.cli import cli
from streams.config import load_config
from streams.config.sections import VARIABLES
from streams.runtime import worker as running
from streams.runtime.kafka import _CLUSTER_ID
from tests.support.compose import (
    COMPOSE,
    PROGRAMS,
    ROOT,
    MissingVariable,
    image_of,
    interpolate,
    mounts,
    offered,
    ours,
    references,
    resolved,
    with_passwords,
    written,
)
from tests.support.image import stages
from tests.support.rules import PROMETHEUS

SERVICES: dict[str, Any] = with_passwords()["services"]
ONE_SHOT = {"topics"}
ALERTMANAGER_PORT, GRAFANA_PORT = 9093, 3000
"""Their own, which nothing here changes."""
CONSOLE_PASSWORDS = {"DAYBOOK_CONSOLE_PASSWORD", "DAYBOOK_CONSOLE_READER_PASSWORD"}
"""What the console is told beside the configuration: see dashboards/console/access.py."""


def settings(service: str) -> dict[str, str]:
    """Its environment."""
    found: dict[str, str] = SERVICES[service].get("environment", {})
    return found


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


# -- the form --------------------------------------------------------------------------------------


def checked(document: Any, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """What the specification's schema says of it."""
    file = tmp_path / "compose.json"
    file.write_text(json.dumps(document))
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def test_it_is_what_the_specification_asks_for(tmp_path: Path) -> None:
    for document in (written(), with_passwords()):
        found = checked(document, tmp_path)
        assert found.returncode == 0, found.stdout


def test_a_misspelt_key_is_not(tmp_path: Path) -> None:
    document = with_passwords()
    document["services"]["worker"]["restrat"] = "always"
    assert "restrat" in checked(document, tmp_path).stdout


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a $$b ${A} ${B:-c} ${E:-d}", "a $b 1 c d"),
        ("${B:-}:${A:?needed}", ":1"),
        ("http://x/{id}", "http://x/{id}"),
    ],
)
def test_references_are_filled_in_as_an_engine_does(text: str, value: str) -> None:
    assert interpolate(text, {"A": "1", "E": ""}) == value


@pytest.mark.parametrize("text", ["$A", "${A-b}", "${A:+b}", "${a}"])
def test_other_forms_of_reference_are_not_used(text: str) -> None:
    with pytest.raises(ValueError, match="not known here"):
        interpolate(text, {"A": "1"})


# -- what a user sets ------------------------------------------------------------------------------


def test_it_does_not_start_without_each_password() -> None:
    required = [name for name, default in references().items() if default is None]
    assert {"DAYBOOK_CONSOLE_PASSWORD", "DAYBOOK_CONSOLE_READER_PASSWORD", "GRAFANA_ADMIN_PASSWORD"} == set(required)
    for name in required:
        others = {other: "a secret" for other in required if other != name}
        with pytest.raises(MissingVariable, match=rf"^{name}: set it in \.env, see \.env\.example$"):
            resolved(**others)


def test_the_example_has_every_variable_with_its_default_and_no_password() -> None:
    required, optional = offered()
    assert required == {name: "" for name, default in references().items() if default is None}
    assert optional == {name: default for name, default in references().items() if default is not None}


def test_no_password_is_written_anywhere_in_it() -> None:
    for service in written()["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "SECRET" in name or "TOKEN" in name:
                assert ":?" in value, name


def test_settings_with_passwords_stay_out_of_the_repository() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert ".env" in ignored
    # What a configuration needs beside is for the workers, who notify, and nobody must have it.
    assert {name for name, service in SERVICES.items() if "env_file" in service} == {"worker"}
    ((file,),) = [service["env_file"] for service in SERVICES.values() if "env_file" in service]
    assert file["required"] is False
    assert file["path"].removeprefix("./") in ignored


# -- the commands and their settings ---------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ours(SERVICES)))
def test_a_command_is_one_that_there_is(name: str) -> None:
    parsed(SERVICES[name]["command"])


def parsed(words: list[str]) -> None:
    """Raises click's UsageError where a subcommand, an option or a value is none."""
    command: click.Command = cli
    context = click.Context(cli)
    rest = list(words)
    while isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        if found is None:
            raise click.UsageError(f"no such command: {rest[0]}")
        command, rest = found, rest[1:]
    command.make_context(command.name, rest, parent=context)


@pytest.mark.parametrize("words", [["workers"], ["topics", "make"], ["simulate", "--history", "soon"], ["worker", "x"]])
def test_a_wrong_command_is_noticed(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parsed(words)


@pytest.mark.parametrize("name", sorted(ours(SERVICES)))
def test_the_configuration_knows_each_variable(name: str) -> None:
    known = VARIABLES.keys() | {"DAYBOOK_CONFIG"} | (CONSOLE_PASSWORDS if name == "console" else set())
    assert settings(name).keys() <= known


@pytest.mark.parametrize("name", sorted(ours(SERVICES)))
def test_the_configuration_takes_what_they_say(name: str) -> None:
    env = settings(name)
    file = mounts(SERVICES[name])[env["DAYBOOK_CONFIG"]]
    config = load_config(env=env | {"DAYBOOK_CONFIG": str(ROOT / file)})
    assert (config.kafka.bootstrap, config.kafka.embedded) == ("kafka:9092", False)
    assert (config.namespace, config.kafka.partitions) == ("daybook", 4)


def test_the_defaults_are_those_of_the_configuration() -> None:
    default = load_config(env={})
    assert references()["DAYBOOK_NAMESPACE"] == default.namespace
    assert references()["DAYBOOK_PARTITIONS"] == str(default.kafka.partitions)


def test_the_broker_is_set_as_the_one_without_containers_but_for_its_addresses() -> None:
    properties = dict(
        line.split("=", 1)
        for line in (ROOT / "deploy" / "kafka" / "server.properties").read_text().splitlines()
        if line and not line.startswith("#")
    )
    # The image's rule: KAFKA_ABC_DEF is abc.def, but for what is meant for its start.
    ours = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in settings("kafka").items()
        if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS"
    }
    addresses = {
        "listeners",
        "advertised.listeners",
        "controller.quorum.voters",
        "listener.security.protocol.map",
        "log.dirs",
    }
    assert ours.keys() - properties.keys() == {"inter.broker.listener.name"}
    assert properties.keys() - ours.keys() == set()
    assert {name for name in properties if properties[name] != ours[name]} == addresses
    assert settings("kafka")["CLUSTER_ID"] == _CLUSTER_ID


def test_the_broker_has_the_version_that_is_tested() -> None:
    (version,) = re.findall(r"<kafka\.version>(.+)</kafka", (ROOT / "deploy" / "kafka" / "pom.xml").read_text())
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"


# -- addresses -------------------------------------------------------------------------------------


def test_the_brokers_listeners_and_ports_belong_together() -> None:
    def addresses(name: str) -> dict[str, str]:
        return dict(one.split("://") for one in settings("kafka")[name].split(","))

    listeners, advertised = addresses("KAFKA_LISTENERS"), addresses("KAFKA_ADVERTISED_LISTENERS")
    assert advertised["PLAINTEXT"] == "kafka:9092" == f"kafka{listeners['PLAINTEXT']}"
    assert settings("kafka")["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"1@kafka{listeners['CONTROLLER']}"
    # What programs on this machine are told is where the published port leads to.
    assert SERVICES["kafka"]["ports"] == [f"{advertised['HOST']}{listeners['HOST']}"]
    assert "--bootstrap-server kafka:9092" in SERVICES["kafka"]["healthcheck"]["test"][1]


def test_prometheus_looks_for_every_worker_where_its_metrics_are() -> None:
    config = yaml.safe_load((PROMETHEUS / "compose.yml").read_text(encoding="utf-8"))
    ((discovery,),) = [job["dns_sd_configs"] for job in config["scrape_configs"]]
    assert discovery["names"] == ["worker"]
    assert discovery["port"] == int(settings("worker")["DAYBOOK_METRICS_PORT"])
    assert settings("worker")["DAYBOOK_METRICS_HOST"] == "0.0.0.0"
    # Several of them: nothing of a worker's is there once only.
    assert not {"container_name", "ports", "hostname"} & SERVICES["worker"].keys()


def test_the_image_says_of_a_worker_how_it_is_known_to_be_well() -> None:
    final, port = stages()[-1], settings("worker")["DAYBOOK_METRICS_PORT"]
    assert final.last("EXPOSE") == (port,)
    assert f"http://127.0.0.1:{port}/metrics" in final.last("HEALTHCHECK")[-1]
    assert "healthcheck" not in SERVICES["worker"]


def test_alerts_and_incidents_go_to_the_alertmanager_that_there_is() -> None:
    config = yaml.safe_load((PROMETHEUS / "compose.yml").read_text(encoding="utf-8"))
    ((group,),) = [one["static_configs"] for one in config["alerting"]["alertmanagers"]]
    assert group["targets"] == [f"alertmanager:{ALERTMANAGER_PORT}"]
    assert settings("worker")["DAYBOOK_ALERTMANAGER"] == f"http://alertmanager:{ALERTMANAGER_PORT}"


def test_a_link_in_a_message_leads_to_where_the_console_is_published() -> None:
    links = [
        ("console", settings("worker")["DAYBOOK_LINK"]),
        ("grafana", settings("grafana")["GF_SERVER_ROOT_URL"]),
        ("prometheus", references()["PROMETHEUS_URL"]),
        ("alertmanager", references()["ALERTMANAGER_URL"]),
    ]
    for name, link in links:
        (port,) = SERVICES[name]["ports"]
        assert str(port).startswith(f"{urlsplit(str(link)).netloc}:"), name


def test_the_console_asks_a_worker_where_its_metrics_are() -> None:
    console = settings("console")
    assert console["DAYBOOK_METRICS_HOST"] in SERVICES
    assert console["DAYBOOK_METRICS_PORT"] == settings("worker")["DAYBOOK_METRICS_PORT"]


def test_grafanas_data_source_is_told_where_prometheus_is() -> None:
    assert settings("grafana")["PROMETHEUS_URL"] == "http://prometheus:9090"
    assert SERVICES["prometheus"]["ports"][0].endswith(":9090")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_is_published_is_open_to_this_machine_only(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))
    assert "network_mode" not in SERVICES[name]


def test_no_two_services_publish_the_same_port() -> None:
    published = [port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(set(published)) == len(published) == 5


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_is_mounted_is_there(name: str) -> None:
    volumes = written()["volumes"]
    for source in mounts(SERVICES[name]).values():
        assert source in volumes or (source.startswith("./") and (ROOT / source).exists()), source


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_is_mounted_from_here_cannot_be_written_to_and_is_not_made_up(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        if not isinstance(volume, str):
            assert volume["type"] == "bind"
            assert volume["read_only"] is True
            assert volume["bind"] == {"create_host_path": False}


def test_each_named_volume_is_used_by_one_service() -> None:
    used = [source for service in SERVICES.values() for source in mounts(service).values() if "/" not in source]
    assert sorted(used) == sorted(written()["volumes"])


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_the_files_and_folders_that_a_command_names_are_mounted(name: str) -> None:
    paths = [word.partition("=")[2] for word in SERVICES[name]["command"] if re.search(r"(file|path)=/", word)]
    assert len(paths) == 2
    targets = mounts(SERVICES[name])
    for path in paths:
        (target,) = [one for one in targets if path == one or path.startswith(f"{one}/")]
        if targets[target].startswith("./"):
            assert (ROOT / targets[target] / path.removeprefix(target).lstrip("/")).exists()


def test_the_brokers_data_are_kept() -> None:
    assert mounts(SERVICES["kafka"])[settings("kafka")["KAFKA_LOG_DIRS"]] == "kafka-data"


def test_the_console_keeps_its_data_where_the_image_says() -> None:
    assert mounts(SERVICES["console"])[stages()[-1].environment()["DAYBOOK_DATA_DIR"]] == "console-data"


# -- how they live ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_contained_and_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only", False) is (name != "kafka")
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["restart"] == ("on-failure:3" if name in ONE_SHOT else "unless-stopped")
    limits = service["deploy"]["resources"]["limits"]
    assert {"memory", "pids"} <= limits.keys()
    # More processors than a machine has are refused by its engine.
    assert float(limits.get("cpus", 0)) <= 1


def test_each_image_is_pinned() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name, service in SERVICES.items():
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"]), name
    assert {service["image"] for service in ours(SERVICES).values()} == {f"daybook:{version}"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_health_is_asked_with_what_the_image_has_and_of_the_service_itself(name: str) -> None:
    programs, _ = PROGRAMS[image_of(SERVICES[name])]
    check = SERVICES[name].get("healthcheck")
    if check is None:
        assert name == "worker"  # that of the image
        return
    if check.get("disable"):
        assert name in {"topics", "simulator", "archive"}  # nothing that could be asked
        return
    kind, *words = check["test"]
    if kind == "CMD-SHELL":
        assert "sh" in programs
        words = [word for word in words[0].split() if "=" not in word]
    assert words[0] in programs
    own = {"kafka": "kafka:9092", "console": settings("console")["DAYBOOK_CONSOLE_PORT"], "prometheus": "9090"}
    own |= {"alertmanager": str(ALERTMANAGER_PORT), "grafana": str(GRAFANA_PORT)}
    assert re.search(rf"(127\.0\.0\.1:|\b){own[name]}\b", words[-1])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_waits_for_what_can_be_waited_for(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        condition = how["condition"]
        if other in ONE_SHOT:
            assert condition == "service_completed_successfully"
        else:
            assert condition == "service_healthy"
            assert "test" in SERVICES[other]["healthcheck"]


@pytest.mark.parametrize("name", sorted(set(ours(SERVICES)) - ONE_SHOT))
def test_what_reads_or_writes_events_waits_for_their_topics(name: str) -> None:
    assert SERVICES[name]["depends_on"].keys() == {"kafka", "topics"}


def test_a_worker_is_given_the_time_it_takes_to_end() -> None:
    most = running.STOPPED_WITHIN + running.THREADS_END_WITHIN + running.LOOP_ANSWERS_WITHIN
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > most + 5


def test_the_simulated_shop_is_only_there_when_asked_for() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"simulator"}
    assert SERVICES["simulator"]["profiles"] == ["demo"]


def test_the_two_configurations_of_prometheus_differ_in_where_things_are() -> None:
    alone, together = (
        yaml.safe_load((PROMETHEUS / name).read_text(encoding="utf-8")) for name in ("prometheus.yml", "compose.yml")
    )
    for config in (alone, together):
        for job in config["scrape_configs"]:
            (found,) = [key for key in job if key.endswith("_sd_configs")]
            del job[found]
        (alertmanagers,) = config["alerting"]["alertmanagers"]
        del alertmanagers["static_configs"]
    assert alone == together


def test_the_first_lines_say_how_it_is_started() -> None:
    commands = re.findall(r"^#     (.+?)(?:  .*)?$", COMPOSE.read_text(encoding="utf-8"), re.MULTILINE)
    assert commands[:2] == ["cp .env.example .env", "docker compose up -d"]
    for service in re.findall(r"--scale (\w+)=", " ".join(commands)):
        assert service in SERVICES
