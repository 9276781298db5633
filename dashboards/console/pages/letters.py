"""Dead letters: why, what, and sending them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog
from markupsafe import Markup
from nicegui import run
from nicegui.element import Element

from dashboards.console.pages.elements import Html, Keyed, Tag
from dashboards.console.pages.frame import clock, heading
from streams.cli.dlq import pretty
from streams.errors import DaybookError
from streams.kpis.grid import DAY_MS
from streams.runtime.letters import Letter, read_letters
from streams.runtime.requeue import refusal, requeue

if TYPE_CHECKING:
    from dashboards.console.access import Person
    from dashboards.console.service import Service

log = structlog.get_logger(__name__)

SHOWN = 50
SINCE_MS = 30 * DAY_MS
"""So old ones are still shown."""
_ABOUT = (
    "Records that could not be processed. Sent again they go to their topic as they came, once; what is still wrong "
    "with them comes back."
)
_RAW = Markup('<details class="more"><summary>The record as it came</summary><pre tabindex="0">{}</pre></details>')
Reason = tuple[str, int]


class Letters:
    """The dead letters of the last month, by reason and one by one."""

    def __init__(self, service: Service, person: Person) -> None:
        self._service, self._person = service, person
        self._letters: list[Letter] = []
        self._seen = -1
        heading("Dead letters")
        Html(Markup('<p class="hint">{}</p>').format(_ABOUT))
        self._said = Html("", role="status", class_="said")
        self._reasons: Keyed[Reason] = Keyed(
            Tag("ul", class_="incidents", aria_label="Reasons"), self._reason, self._count
        )
        self._list: Keyed[Letter] = Keyed(
            Tag("ul", class_="incidents", aria_label="Dead letters"), self._make, self._mark
        )

    async def look(self, count: int) -> None:
        """Show them, read again where their number is another one."""
        if count < 0:  # nobody has said yet how many there are
            return
        if count != self._seen and (read := await self._read()) is not None:
            self._seen, self._letters = count, read
        self._show()

    async def _read(self) -> list[Letter] | None:
        """The newest first; None where they cannot be read."""
        try:
            read = await run.io_bound(read_letters, self._service.config, None, SINCE_MS)
        except DaybookError as error:
            self._said.show(Markup('<span class="error">{}</span>').format(error))
            return None
        return None if read is None else sorted(read, key=lambda one: one.at, reverse=True)

    def _show(self) -> None:
        if not self._letters:
            self._said.show("There are none.")
        counted = Counter(one.code for one in self._letters if not refusal(self._service.config, one))
        self._reasons.show((code, (code, count)) for code, count in counted.most_common())
        self._list.show((one.place, one) for one in self._letters[:SHOWN])

    def _reason(self, reason: Reason) -> Element:
        item = Tag("li", class_="incident")
        with item:
            Html("", class_="title")
            if self._person.acts:
                button = Tag("button", "Send all of these again", type="button")
                button.on("click", lambda: self._send(lambda one: one.code == reason[0]))
        return item

    @staticmethod
    def _count(item: Element, reason: Reason) -> None:
        title = item.default_slot.children[0]
        assert isinstance(title, Html)
        title.show(Markup("{:,} {}").format(reason[1], reason[0].replace("_", " ")))

    def _make(self, letter: Letter) -> Element:
        item = Tag("li", class_="incident")
        with item:
            Html(Markup('<span class="title">{}</span>').format(letter.error))
            at = clock(self._service).moment(letter.at)
            Html(Markup("<span>{}</span><span>{}</span><span>{}</span>").format(at, letter.place, letter.code),
                 class_="facts")  # fmt: skip
            Html(_RAW.format(pretty(letter.value)))
            with Tag("div", class_="actions"):
                if self._person.acts:
                    Tag("button", "Send again", type="button", aria_label=f"Send {letter.place} again").on(
                        "click", lambda: self._send(lambda one: one.place == letter.place)
                    )
                Html("", "span", class_="hint")
        return item

    def _mark(self, item: Element, letter: Letter) -> None:
        mark = letter.again
        can = not refusal(self._service.config, letter)
        *buttons, said = item.default_slot.children[-1].default_slot.children
        for button in buttons:
            button.set_visibility(can)
        assert isinstance(said, Html)
        said.show("" if mark is None else f"sent again by {mark.by}, {clock(self._service).moment(mark.at)}")

    async def _send(self, wanted: Callable[[Letter], bool]) -> None:
        if not self._person.acts:  # there is no button; the event was made up
            log.warning("somebody who may only look tries to act", name=self._person.name, what="requeue")
            return
        config = self._service.config
        self._said.show("Sending …")
        async with self._service.sending:
            # As they are now: somebody else may have sent them a moment ago.
            read = await self._read()
            if read is None:
                return
            ours = [one for one in read if wanted(one) and not refusal(config, one)]
            try:
                count = await run.io_bound(requeue, config, ours, self._person.name)
            except DaybookError as error:
                self._said.show(Markup('<span class="error">{}</span>').format(error))
                return
            self._letters = await self._read() or read
        self._said.show(f"Sent again: {count}" if count else "Somebody had sent it again already")
        self._show()
