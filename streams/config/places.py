"""Places: a value in a YAML file together with where it stands, so that every error can say it in one line.

The file is composed to nodes, never constructed: no tag in it can make anything, and texts like ``NO`` or
``1e3`` stay what was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple, TypeVar

import yaml

from streams.errors import ConfigError

T = TypeVar("T")

_LONGEST = 500
_NULL = "tag:yaml.org,2002:null"


class Problem(NamedTuple):
    """One mistake: where, and what. ``file`` may be an environment variable; it has line 0."""

    file: str
    line: int
    text: str


class Problems:
    """The mistakes found so far."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, wrong: Wrong) -> None:
        """Note one, once."""
        if wrong.problem not in self.found:
            self.found.append(wrong.problem)

    def error(self) -> ConfigError:
        """All of them, one line each, in the order of the file."""
        return ConfigError("\n".join(_line(problem) for problem in sorted(self.found, key=lambda p: p[:2])))


class Wrong(Exception):
    """A mistake at a place. Caught where the value next to it can still be read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


class Noted(Exception):
    """A value cannot be had; why has been noted already."""


class Place:
    """A value, its file, its line and its path (``kpis.revenue.grain``).

    ``line`` of a mapping or list is its key's, where it has one.
    """

    def __init__(self, node: yaml.Node, path: str, line: int, problems: Problems) -> None:
        self.node = node
        self.path = path
        self.line = line
        self.problems = problems

    def wrong(self, text: str) -> Wrong:
        """A mistake here; to be raised, or noted with :meth:`note`."""
        where = f"{self.path}: " if self.path else ""
        return Wrong(Problem(str(self.node.start_mark.name), self.line, _cut(where + text)))

    def note(self, text: str) -> None:
        """Note a mistake and go on."""
        self.problems.add(self.wrong(text))

    @property
    def empty(self) -> bool:
        """Whether nothing is written here."""
        return self.node.tag == _NULL and self.node.value in ("", "~", "null", "Null", "NULL")

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)

    def text(self, expected: str = "a text") -> str:
        """What is written here. Raises Wrong for a list or a mapping."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.wrong(f"{self.kind()} is not {expected}")
        return str(self.node.value)

    def kind(self) -> str:
        """What stands here, in words."""
        if self.is_list:
            return "a list"
        return "a mapping" if self.is_mapping else repr(self.node.value)

    def items(self) -> list[Place]:
        """The entries of a list; a single value is a list of one."""
        if not isinstance(self.node, yaml.SequenceNode):
            return [self]
        return [
            Place(node, f"{self.path}[{index}]", node.start_mark.line + 1, self.problems)
            for index, node in enumerate(self.node.value)
        ]

    def declared(self) -> dict[str, Place]:
        """The entries of a mapping whose keys are names; one left empty is noted, since it says nothing."""
        entries = self.entries(keep_empty=True)
        for place in entries.values():
            if place.empty:
                place.note("is empty")
        return {name: place for name, place in entries.items() if not place.empty}

    def entries(self, keep_empty: bool = False) -> dict[str, Place]:
        """The values of a mapping by key; those left empty count as left out. Repeated keys are noted.

        Raises Wrong when it is no mapping.
        """
        if not isinstance(self.node, yaml.MappingNode):
            raise self.wrong(f"{self.kind()} where 'key: value' lines are expected")
        entries: dict[str, Place] = {}
        lines: dict[str, int] = {}
        for key, value in self.node.value:
            line = key.start_mark.line + 1
            here = Place(key, self.path, line, self.problems)
            if not isinstance(key, yaml.ScalarNode):
                here.note(f"{here.kind()} cannot be a key")
                continue
            name = key.value if key.value.isprintable() else repr(key.value)
            path = f"{self.path}.{name}" if self.path else name
            if key.value in lines:
                Place(key, path, line, self.problems).note(f"is there twice (first in line {lines[key.value]})")
                continue
            lines[key.value] = line
            written = value.start_mark.line + 1 if isinstance(value, yaml.ScalarNode) and value.value else line
            place = Place(value, path, written, self.problems)
            if keep_empty or not place.empty:
                entries[key.value] = place
        return entries

    def named(self, readers: Iterable[str], passed_over: Iterable[str] = ()) -> dict[str, Place]:
        """The entries whose keys are known; the others are noted, but for those to pass over."""
        known = list(readers)
        entries = self.entries()
        for name, place in entries.items():
            if name not in known and name not in passed_over:
                place.note(f"unknown key{meant(name, known)}")
        return {name: place for name, place in entries.items() if name in known}


def variable(name: str, value: str, problems: Problems) -> Place:
    """The value of an environment variable, as if it stood in a file of that name."""
    mark = yaml.Mark(name, 0, 0, 0, None, 0)
    return Place(yaml.ScalarNode("tag:yaml.org,2002:str", value, mark, mark), "", 0, problems)


def read(place: Place, reader: Callable[[Place], T]) -> T:
    """The value at a place. Raises Noted when it is wrong, having noted why."""
    try:
        return reader(place)
    except Wrong as wrong:
        place.problems.add(wrong)
    raise Noted


def meant(name: str, known: Iterable[str]) -> str:
    """A did-you-mean, or what there is when nothing is close."""
    candidates = sorted(known)
    close = get_close_matches(name, candidates, n=1, cutoff=0.6)
    if close:
        return f" (did you mean {close[0]!r}?)"
    if 0 < len(candidates) <= 24:
        return f" (known: {', '.join(candidates)})"
    return ""


def compose(path: Path, shown: str, problems: Problems) -> Place:
    """The root of a YAML file; ``shown`` is how messages name it.

    Raises ConfigError when the file cannot be read, is empty or is not YAML.
    """
    text = _read_text(path, shown)
    if not text.strip():
        raise ConfigError(f"{shown}: empty (copy the default configuration and change what you need)")
    try:
        # yaml.compose() would call the stream "<unicode string>".
        loader = yaml.SafeLoader(text)
        loader.name = shown
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax(shown, error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{shown}:{line}: the character U+{error.character:04X} is not allowed") from None
    except RecursionError:
        raise ConfigError(f"{shown}: nested too deeply") from None
    if node is None:
        raise ConfigError(f"{shown}: nothing but comments (uncomment or add the keys you need)")
    return Place(node, "", node.start_mark.line + 1, problems)


def _read_text(path: Path, shown: str) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{shown}: no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{shown}: is a folder, not a configuration file") from None
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read ({error.strerror})") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{shown}:{line}: not UTF-8 (byte 0x{raw[error.start]:02x}; save the file as UTF-8)"
        ) from None


def _syntax(shown: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    text = str(error.problem or error.context).replace("\n", " ")
    if "'\\t'" in text:
        text = "a tab where spaces are expected"
    where = f"{shown}:{mark.line + 1}" if mark else shown
    column = f", column {mark.column + 1}" if mark else ""
    return f"{where}: not valid YAML{column}: {text}"


def _cut(text: str) -> str:
    """A message never fills the screen with what somebody pasted into a value."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _line(problem: Problem) -> str:
    line = f":{problem.line}" if problem.line else ""
    return f"{problem.file}{line}: {problem.text}"
