"""Imports point one way, and the core knows no clock, no network and no broker."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.kpis.compiled import _MODULES as COMPILED

ROOT = Path(__file__).parents[2]
PACKAGES = ("streams", "detectors", "dashboards")

# What a package may import of the project, beside itself. What is not named here is the shell: it may import all.
ALLOWED = {
    "streams.errors": (),
    "streams.events": ("streams.errors",),
    "streams.kpis": ("streams.errors", "streams.events"),
    # What can be set about alerts is said where they are made.
    "streams.config": ("streams.errors", "streams.events", "streams.kpis", "detectors.watch.settings"),
    "detectors": ("streams.errors", "streams.events", "streams.kpis"),
}
PURE = ("streams.events", "streams.kpis", "detectors")
# No I/O, no clock, no randomness without a seed.
SHELL_ONLY = {
    "aiohttp", "aiokafka", "asyncio", "confluent_kafka", "faust", "http", "kafka", "mode", "multiprocessing",
    "prometheus_client", "random", "requests", "secrets", "select", "signal", "socket", "sqlite3", "ssl", "subprocess",
    "threading", "time", "urllib", "uuid",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today", "perf_counter", "monotonic", "time_ns"}
# Programs beside the core, run by hand: they tell how long they took, write files.
PROGRAMS = {"streams.kpis.warm", "streams.events.schema", "detectors.warm"}
# Makes and keeps the operator's key.
KEEPERS = {"streams.events.identity"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield name, ast.parse(path.read_text(encoding="utf-8"), str(path))


MODULES = dict(modules())


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def imports(name: str) -> set[str]:
    """The absolute names of all that a module imports, wherever in it."""
    found: set[str] = set()
    package = name if (ROOT / name.replace(".", "/") / "__init__.py").exists() else name.rpartition(".")[0]
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names}
    return found


def in_project(name: str) -> bool:
    return any(within(name, package) for package in PACKAGES)


def test_there_is_something_to_look_at() -> None:
    assert any(within(name, "streams.kpis") for name in MODULES)
    assert "streams.kpis.fold" in imports("streams.kpis.kernel")


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package: str) -> None:
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        if within(name, package)
        for other in sorted(imports(name))
        if in_project(other) and not any(within(other, allowed) for allowed in (package, *ALLOWED[package]))
    ]
    assert wrong == []


def test_nothing_below_the_shell_is_imported_by_name_of_the_shell() -> None:
    # What the runtime, the history and the dashboards share lies below them; they are not each other's libraries.
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        if not within(name, "dashboards") and not within(name, "streams.cli")
        for other in sorted(imports(name))
        if within(other, "dashboards")
    ]
    assert wrong == []


@pytest.mark.parametrize("package", PURE)
def test_the_core_reaches_for_nothing_outside(package: str) -> None:
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        if within(name, package) and name not in PROGRAMS | KEEPERS
        for other in sorted(imports(name))
        if other.split(".")[0] in SHELL_ONLY
    ]
    assert wrong == []


@pytest.mark.parametrize("package", PURE)
def test_the_core_asks_no_clock(package: str) -> None:
    wrong = [
        f"{name}:{node.lineno} calls {node.func.attr}()"
        for name, tree in MODULES.items()
        if within(name, package) and name not in PROGRAMS
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
    ]
    assert wrong == []


def test_the_core_does_not_import_what_imports_its_programs() -> None:
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        for other in sorted(imports(name) & {"streams.kpis.warm"})
        if within(name, "streams.kpis")
    ]
    assert wrong == []


def test_a_change_in_any_compiled_module_compiles_anew() -> None:
    # The detectors take nothing from it but the place, and none of their functions calls one of another file.
    users = {name for name in MODULES if "streams.kpis.compiled" in imports(name)} - {"detectors.compiled"}
    assert users
    assert users <= {f"streams.kpis.{name}" for name in COMPILED}
