"""The library that draws the plots: Apache ECharts as NiceGUI brings it, so that console and report draw alike."""

from __future__ import annotations

import re
from pathlib import Path

import nicegui

from streams.errors import DaybookError

FOLDER = Path(nicegui.__file__).parent / "elements" / "echart" / "dist"
_ENTRY = re.compile(r'import\{(?P<names>[^}]*)\}from"\./(?P<file>[^"]+)";export\{(?P<exports>[^}]*)\}')
_EXPORTS = re.compile(r"export\{(?P<names>[^}]*)\};\s*(?://# sourceMappingURL=\S*\s*)?\Z")
NAME = "echarts"


class LibraryError(DaybookError):
    """NiceGUI brings ECharts in another way than the version this was made for."""


def library(folder: Path = FOLDER) -> str:
    """ECharts as the first part of a module script, which defines ``echarts``. It asks for no other file.

    Raises :class:`LibraryError`.
    """
    try:
        entry = _ENTRY.search((folder / "index.js").read_text(encoding="utf-8"))
        if entry is None:
            raise LibraryError(f"{folder / 'index.js'}: does not import what it exports; install the pinned NiceGUI")
        text = (folder / entry["file"]).read_text(encoding="utf-8")
    except OSError as error:
        raise LibraryError(f"{error.filename}: cannot be read ({error.strerror}); install the pinned NiceGUI") from None
    exports = _EXPORTS.search(text)
    # One thing has a name as the entry exports it, in the entry, as the file exports it, and one of the file's own.
    within = _renamed(entry["exports"]).get(NAME, "")
    between = {alias: name for name, alias in _pairs(entry["names"])}.get(within, "")
    own = _renamed(exports["names"]).get(between) if exports is not None else None
    if exports is None or own is None or "</script" in text.lower():
        raise LibraryError(f"{folder / entry['file']}: does not export ECharts as expected; install the pinned NiceGUI")
    return f"{text[: exports.start()]}\nconst {NAME} = {own};\n"


def _renamed(names: str) -> dict[str, str]:
    """Of ``a as b,c``: by what each is called outside its name inside."""
    return {outside: inside for inside, outside in _pairs(names)}


def _pairs(names: str) -> list[tuple[str, str]]:
    pairs = (each.strip().partition(" as ") for each in names.split(","))
    return [(inside, outside or inside) for inside, _, outside in pairs]
