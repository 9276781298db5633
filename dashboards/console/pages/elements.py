"""Elements of plain HTML, and lists of them that change in place: who has something in focus keeps it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from markupsafe import Markup
from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

T = TypeVar("T")


class Tag(TextElement):
    """An element with text. Attributes are given by name: ``aria_label`` is ``aria-label``, ``for_`` is ``for``."""

    def __init__(self, tag: str, text: str = "", **attributes: str | bool) -> None:
        super().__init__(tag=tag, text=text)
        for name, value in attributes.items():
            key = name.rstrip("_").replace("_", "-")
            if key == "class":
                self.classes(str(value))
            else:
                self._props[key] = value


class Html(ui.html):
    """Markup inside a tag. It is sent again only where it has changed."""

    def __init__(self, content: Markup | str = "", tag: str = "div", **attributes: str) -> None:
        # Escaped where it was made.
        super().__init__(Markup.escape(content), sanitize=False, tag=tag)
        for name, value in attributes.items():
            key = name.rstrip("_").replace("_", "-")
            if key == "class":
                self.classes(value)
            else:
                self._props[key] = value

    def show(self, content: Markup | str) -> None:
        """Show this instead."""
        made = str(Markup.escape(content))
        if made != self.content:
            self.set_content(made)


class Keyed(Generic[T]):
    """Elements in a container, one for each item: made where an item is new, changed where it is known, moved where
    the order is another, deleted where it is gone."""

    def __init__(self, container: Element, make: Callable[[T], Element], change: Callable[[Element, T], None]) -> None:
        self._container, self._make, self._change = container, make, change
        self._known: dict[Hashable, Element] = {}

    def show(self, items: Iterable[tuple[Hashable, T]]) -> None:
        """Show these, in their order."""
        wanted = dict(items)
        for key in [key for key in self._known if key not in wanted]:
            self._known.pop(key).delete()
        for place, (key, item) in enumerate(wanted.items()):
            element = self._known.get(key)
            if element is None:
                with self._container:
                    element = self._known[key] = self._make(item)
            self._change(element, item)
            children = self._container.default_slot.children
            if children.index(element) != place:
                element.move(self._container, target_index=place)
