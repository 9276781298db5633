"""``deploy/Dockerfile`` without an engine: what it copies is there, and who runs what it makes can do little."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support.compose import ours, with_passwords
from tests.support.image import DOCKERFILE, ROOT, _fits, ignored, stages

BUILD, FINAL = stages()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ENTRYPOINT = ROOT / "deploy" / "entrypoint.sh"


def copied() -> list[str]:
    """What is copied from the repository."""
    return [
        source
        for stage in (BUILD, FINAL)
        for one in stage.all("COPY")
        if not any(flag.startswith("--from") for flag in one.flags)
        for source in one.value[:-1]
    ]


# -- the form --------------------------------------------------------------------------------------


def linted(file: Path) -> subprocess.CompletedProcess[str]:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint is not None
    return subprocess.run([hadolint, str(file)], capture_output=True, text=True, check=False, timeout=60)


def test_a_linter_has_nothing_to_say() -> None:
    found = linted(DOCKERFILE)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_linter_would_say_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN pip install daybook\n")
    assert "DL3006" in linted(tmp_path / "Dockerfile").stdout


def test_the_entrypoint_is_a_script_that_a_shell_takes() -> None:
    subprocess.run(["sh", "-n", str(ENTRYPOINT)], check=True)
    assert ENTRYPOINT.read_text().startswith("#!/bin/sh\n")
    assert (
        ENTRYPOINT.read_text().splitlines()[-1] == 'exec daybook "$@"'
    )  # it is gone when Daybook runs: signals arrive


def test_how_a_worker_is_asked_is_a_program_that_python_takes() -> None:
    command = FINAL.last("HEALTHCHECK")
    assert command[:3] == ("CMD", "python", "-c")
    compile(command[3], "HEALTHCHECK", "exec")


def plain(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


# -- what goes in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_is_there_and_not_ignored(source: str) -> None:
    assert (ROOT / source).exists()
    assert not ignored(source)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".env.example",
        ".git",
        ".git/config",
        ".venv/bin/python",
        ".daybook/customer.key",
        "deploy/kafka/target/jars/kafka.jar",
        "tests/conftest.py",
        "docs/runbook.md",
        "streams/kpis/__pycache__",
        "streams/kpis/__pycache__/kernel.cpython-311.pyc",
    ],
)
def test_secrets_and_what_is_not_needed_stay_out(path: str) -> None:
    assert ignored(path)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*", "a", True),
        ("*", "a/b", False),  # but a is a folder, and with it goes what is in it
        ("**/c", "c", True),
        ("**/c", "a/b/c", True),
        ("**/*.pyc", "a/b.pyc", True),
        ("a/b.sh", "a/bxsh", False),
    ],
)
def test_patterns_are_read_as_docker_does(pattern: str, path: str, fits: bool) -> None:
    assert _fits(pattern, path) is fits


def test_all_packages_and_what_their_build_needs_are_copied() -> None:
    packages = {name.removesuffix("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    needed = {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"], "pyproject.toml", "constraints.txt"}
    in_the_build = {source for one in BUILD.all("COPY") for source in one.value[:-1]}
    assert in_the_build == packages | needed


def test_every_file_of_a_package_is_in_the_build() -> None:
    listed = subprocess.run(["git", "ls-files", "streams", "detectors", "dashboards"], cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip("not a clone")
    files = listed.stdout.decode().split()
    assert len(files) > 100
    assert [path for path in files if ignored(path)] == []


def test_what_is_installed_is_what_was_built_with_the_pinned_versions_and_nothing_for_development() -> None:
    build, install, _ = (one.value[0] for one in BUILD.all("RUN"))
    assert re.fullmatch(r"pip wheel --wheel-dir (/\w+) --constraint constraints\.txt \.", build)
    assert "--no-index --no-deps /wheels/*.whl" in install
    pinned = {plain(line.partition("==")[0]) for line in (ROOT / "constraints.txt").read_text().split()}
    needed = {plain(re.split(r"[^A-Za-z0-9._-]", one)[0]) for one in PROJECT["project"]["dependencies"]}
    assert needed - pinned == set()


# -- what comes out --------------------------------------------------------------------------------


def test_both_stages_begin_with_the_same_pinned_python_that_the_project_takes() -> None:
    assert BUILD.image == FINAL.image
    found = re.fullmatch(r"python:(\d+)\.(\d+)\.\d+-slim-[a-z]+", FINAL.image)
    assert found is not None
    least = re.fullmatch(r">=(\d+)\.(\d+)", PROJECT["project"]["requires-python"])
    assert least is not None
    assert tuple(map(int, found.groups())) >= tuple(map(int, least.groups()))


def test_it_is_run_by_somebody_who_can_do_little() -> None:
    user, _, group = FINAL.last("USER")[0].partition(":")
    made = " ".join(one.value[0] for one in FINAL.all("RUN"))
    assert int(user) >= 10_000  # a number: Kubernetes must see that it is not root's
    assert f"--uid {user} " in made
    assert f"--gid {group} " in made
    order = [one.cmd.upper() for one in FINAL.instructions]
    assert "RUN" not in order[order.index("USER") :]
    assert "COPY" not in order[order.index("USER") :]


def test_nothing_is_installed_in_the_last_stage_but_what_the_first_one_made() -> None:
    programs = {
        words.split()[0] for one in FINAL.all("RUN") for words in re.split(r"\s+&&\s+", str(one.value[0]).strip())
    }
    assert programs == {"groupadd", "useradd", "install"}
    made = [one for one in FINAL.all("COPY") if "--from=build" in one.flags]
    assert [one.value for one in made] == [("/opt/daybook", "/opt/daybook")]


def test_signals_reach_daybook() -> None:
    for name in ("ENTRYPOINT", "CMD"):
        assert FINAL.all(name)[-1].json, f"{name} would be run by a shell"
    assert FINAL.last("STOPSIGNAL") == ("SIGTERM",)
    assert FINAL.last("ENTRYPOINT") == ("daybook-entrypoint",)
    assert FINAL.all("COPY")[-1].value == ("deploy/entrypoint.sh", "/usr/local/bin/daybook-entrypoint")
    # Where there is no handler, the first process of a container does not hear SIGTERM: it is not Daybook then.
    assert all(service["init"] for service in ours(with_passwords()["services"]).values())


def test_what_is_compiled_is_found_on_any_machine_by_whom_runs_it() -> None:
    built, run = BUILD.environment(), FINAL.environment()
    assert built["NUMBA_CPU_NAME"] == run["NUMBA_CPU_NAME"] == "generic"
    assert f"{built['NUMBA_CACHE_DIR']}/. " in ENTRYPOINT.read_text()
    assert built["NUMBA_CACHE_DIR"].startswith("/opt/daybook/")  # what the last stage takes
    assert run["NUMBA_CACHE_DIR"].startswith("/tmp/")
    assert all(service["tmpfs"][0].startswith("/tmp:") for service in ours(with_passwords()["services"]).values())
    # Else the sources would be compiled, and not what is installed.
    assert built["PYTHONSAFEPATH"] == run["PYTHONSAFEPATH"] == "1"


def test_all_that_the_setup_compiles_is_compiled() -> None:
    programs = re.findall(r"python -m (\S+\.warm)", (ROOT / "Makefile").read_text())
    assert programs
    assert re.findall(r"python -m (\S+)", BUILD.all("RUN")[-1].value[0]) == programs


def test_the_labels_say_what_the_project_says() -> None:
    labels, project = FINAL.labels(), PROJECT["project"]
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert labels["org.opencontainers.image.licenses"] == project["license"]
    assert labels["org.opencontainers.image.description"] == project["description"]
