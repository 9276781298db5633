"""``deploy/Dockerfile`` in pieces, and what ``.dockerignore`` keeps from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import dockerfile

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


@dataclass
class Stage:
    """What one FROM begins: the image, and all instructions after it."""

    image: str
    name: str
    instructions: list[dockerfile.Command] = field(default_factory=list)

    def all(self, name: str) -> list[dockerfile.Command]:
        """The instructions of a name, in order."""
        return [one for one in self.instructions if one.cmd.upper() == name]

    def last(self, name: str) -> tuple[str, ...]:
        """What the last instruction of a name says: it is the one that counts."""
        return tuple(self.all(name)[-1].value)

    def environment(self) -> dict[str, str]:
        """What ENV sets."""
        values = [word for one in self.all("ENV") for word in one.value]
        return dict(zip(values[::2], values[1::2], strict=True))

    def labels(self) -> dict[str, str]:
        """What LABEL says."""
        values = [word.strip('"') for one in self.all("LABEL") for word in one.value]
        return dict(zip(values[::2], values[1::2], strict=True))


def stages() -> list[Stage]:
    """The stages of the Dockerfile."""
    found: list[Stage] = []
    for one in dockerfile.parse_file(str(DOCKERFILE)):
        if one.cmd.upper() == "FROM":
            found.append(Stage(one.value[0], one.value[2] if len(one.value) == 3 else ""))
        else:
            found[-1].instructions.append(one)
    return found


def ignored(path: str) -> bool:
    """Whether ``.dockerignore`` keeps a file or folder away from the build: the last line that fits it decides."""
    verdict = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            if any(_fits(pattern, part) for part in _with_parents(path)):
                verdict = not line.startswith("!")
    return verdict


def _with_parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _fits(pattern: str, path: str) -> bool:
    """As Docker reads it: ``*`` stays within a folder, ``**`` is any number of them."""
    parts = [
        "(?:.*/)?" if piece == "**/" else ".*" if piece == "**" else "[^/]*" if piece == "*" else re.escape(piece)
        for piece in re.split(r"(\*\*/|\*\*|\*)", pattern)
    ]
    return re.fullmatch("".join(parts), path) is not None
