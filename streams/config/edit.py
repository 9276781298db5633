"""Changing a configuration file as a person would: comments, order and quotes stay as they are; blanks within lines may
not."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import CommentMark, YAMLError
from ruamel.yaml.tokens import CommentToken

from detectors.watch.settings import Settings
from streams.config.load import PACKAGED, load_config
from streams.config.readers import span_text
from streams.errors import ConfigError

_WIDTH = 4096
"""Longer than lines are, so that none is folded that was not."""


def require_own(path: Path) -> None:
    """Raises :class:`~streams.errors.ConfigError` for the default configuration that comes with Daybook, also where
    ``path`` is a link to it."""
    if path.resolve() == PACKAGED.resolve():
        raise ConfigError(
            f"{path}: is the default configuration that comes with Daybook; copy it, and name the copy with --config"
        )


def set_alerts(path: Path, kpi: str, settings_changes: Mapping[str, object], comment: str) -> None:
    """Set what ``alerts.kpis`` says of a KPI: ``settings_changes`` by the names of
    :class:`~detectors.watch.settings.Settings` (``cool_down`` in ms; None leaves one out); all else stays.
    ``comment`` says why, in one line, above the entry, after what is said there; none where it is empty.

    The file is checked as a whole before it takes the place of the one that is there, so it is changed altogether or
    not at all. Raises :class:`~streams.errors.ConfigError` where it cannot be read or written, where it would be wrong,
    and for the default configuration that comes with Daybook.
    """
    require_own(path)
    file = path.resolve()
    unknown = sorted(set(settings_changes) - set(Settings.__struct_fields__))
    if unknown:
        raise ConfigError(
            f"alerts.kpis.{kpi}: unknown key {unknown[0]!r} (one of {', '.join(Settings.__struct_fields__)})"
        )
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    root = _read(yaml, path)
    growing = _deepest(root, ("alerts", "kpis", kpi))
    below = _cut(growing)
    kpis = _section(_section(root, "alerts", path), "kpis", path)
    entry = _section(kpis, kpi, path)
    for name, value in settings_changes.items():
        if value is None:
            entry.pop(name, None)
        else:
            entry[name] = span_text(int(str(value))) if name == "cool_down" else value
    _paste(growing, below)
    if comment:
        kpis.yaml_set_comment_before_after_key(kpi, before=" ".join(comment.split()), indent=kpis.lc.col or 4)
    text = StringIO()
    yaml.dump(root, text)
    _replace(file, text.getvalue())


def _read(yaml: YAML, path: Path) -> CommentedMap:
    try:
        root = yaml.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is no YAML ({str(error).splitlines()[0]})") from None
    if root is None:
        return CommentedMap()
    if not isinstance(root, CommentedMap):
        raise ConfigError(f"{path}: is no configuration (expected sections like 'alerts:')")
    return root


def _section(parent: CommentedMap, name: str, path: Path) -> CommentedMap:
    """A mapping inside another, made where it is not there or empty."""
    found: Any = parent.get(name)
    if found is None:
        found = parent[name] = CommentedMap()
    if not isinstance(found, CommentedMap):
        raise ConfigError(f"{path}: {name!r} is {found!r} (expected a section)")
    return found


def _deepest(parent: CommentedMap, names: Sequence[str]) -> CommentedMap:
    """The innermost section of those that has anything in it."""
    for name in names:
        inner = parent.get(name)
        if not isinstance(inner, CommentedMap) or not inner:
            break
        parent = inner
    return parent


def _last(parent: CommentedMap) -> tuple[CommentedMap, str] | None:
    """The last line of a section: what it is in, and its key; None where there is none, or it is no single line."""
    while parent:
        key = next(reversed(parent))
        inner = parent[key]
        if isinstance(inner, CommentedMap) and inner and not inner.fa.flow_style():
            parent = inner
            continue
        return None if isinstance(inner, list) else (parent, key)
    return None


def _cut(section: CommentedMap) -> str:
    """Take away what stands below the last line of a section, blank lines and comments: for YAML it belongs to that
    line, for people to what follows."""
    last = _last(section)
    token = last and last[0].ca.items.get(last[1], [None] * 3)[2]
    if not token:
        return ""
    line, _, below = token.value.partition("\n")
    token.value = line + "\n"
    return str(below)


def _paste(section: CommentedMap, below: str) -> None:
    """Put it below what is now the last line."""
    last = _last(section)
    if not below or last is None:
        return
    parent, key = last
    token = parent.ca.items.get(key, [None] * 3)[2]
    if token:
        token.value += below
    else:
        parent.ca.items[key] = [None, None, CommentToken("\n" + below, CommentMark(0), None), None]


def _replace(file: Path, text: str) -> None:
    """Put it in the file's place if it is right."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".yaml", dir=file.parent)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error.strerror})") from None
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        shutil.copymode(file, draft)
        try:
            load_config(draft, {})
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(draft), str(file))) from None
        draft.replace(file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written ({error.strerror})") from None
    finally:
        draft.unlink(missing_ok=True)
