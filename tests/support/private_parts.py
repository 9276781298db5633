"""Which parts of Faust, mode and aiokafka that are not promised Daybook uses, found in its source."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = ("streams", "detectors", "dashboards")
FOREIGN = ("faust", "mode", "aiokafka")
_OF_NAMED_TUPLES = {"_replace", "_asdict", "_fields", "_make"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Name and syntax tree of each production module."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), ast.parse(path.read_text("utf-8"), str(path))


def is_foreign(module: str | None) -> bool:
    return module is not None and module.split(".")[0] in FOREIGN


def reaches_out(tree: ast.Module) -> bool:
    """Whether a module imports something of theirs."""
    return any(
        (isinstance(node, ast.ImportFrom) and is_foreign(node.module))
        or (isinstance(node, ast.Import) and any(is_foreign(alias.name) for alias in node.names))
        for node in ast.walk(tree)
    )


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in _OF_NAMED_TUPLES


def private_uses(module: str, tree: ast.Module) -> set[str]:
    """The private names of theirs that a module uses: those it takes from anything but its own ``self``, those it
    imports, and those that a class of ours shares with the classes of theirs it comes from."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and is_foreign(node.module):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and not _is_named(node.value, "self", "cls", *sys.stdlib_module_names):
            found.add(node.attr)
        elif isinstance(node, ast.Call) and _is_named(node.func, "getattr", "setattr", "hasattr", "delattr"):
            found |= {a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
        elif isinstance(node, ast.ClassDef) and (theirs := _theirs(getattr(import_module(module), node.name, None))):
            found |= {name for name in _names(node) if re.search(rf"\b{name}\b", theirs)}
    return {name for name in found if is_private(name)}


def imports(tree: ast.Module) -> set[str]:
    """What a module imports of theirs, with the module it comes from."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and is_foreign(node.module):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if is_foreign(alias.name)}
    return found


def _is_named(node: ast.expr, *names: str) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _theirs(ours: Any) -> str:
    """The source of the classes of theirs that a class comes from."""
    bases = ours.__mro__[1:] if isinstance(ours, type) else ()
    return "\n".join(inspect.getsource(base) for base in bases if is_foreign(base.__module__))


def _names(body: ast.ClassDef) -> set[str]:
    """What a class defines, and what it takes from its instances."""
    names = {
        node.attr for node in ast.walk(body) if isinstance(node, ast.Attribute) and _is_named(node.value, "self", "cls")
    }
    for node in body.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in names if is_private(name)}


_ADVICE = "Daybook relies on it: read docs/decisions/0002-chunk-transport.md before this version is allowed."


def same(found: Any, *expected: str) -> None:
    """That a function still takes what it is given."""
    gone = set(expected) - inspect.signature(found).parameters.keys()
    assert not gone, f"{found.__qualname__} has changed: parameters {sorted(gone)} are gone. {_ADVICE}"


def holds(source: Any, *parts: str, why: str = "") -> None:
    """That a piece of source still says what it said."""
    text = inspect.getsource(source)
    for part in parts:
        assert part in text, f"{source.__qualname__} no longer contains {part!r}. {why or _ADVICE}"
