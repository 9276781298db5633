"""Anybody's text, as a terminal can be given it."""

from __future__ import annotations


def printable(text: str) -> str:
    """In one line, without what a terminal would obey."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def printable_lines(text: str) -> str:
    """The same, line by line."""
    return "\n".join(map(printable, text.split("\n")))
