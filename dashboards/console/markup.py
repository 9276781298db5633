"""What is shown, as HTML. Pure; all text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from dashboards.console.tiles import Tile, spark

EMPTY = Markup("")


def joined(parts: Iterable[Markup]) -> Markup:
    """One after the other."""
    return EMPTY.join(parts)


def tile(shown: Tile) -> Markup:
    """The inside of a tile, which is a link."""
    marks = []
    if shown.strange:
        marks.append(Markup('<span class="why">▲ Strange: {}</span>').format(shown.strange))
    facts = []
    if shown.change:
        facts.append(Markup('<span class="{}">{}</span>').format(shown.tone, _better(shown)))
    if shown.expected:
        facts.append(Markup("<span>{}</span>").format(shown.expected))
    if shown.goal_met is not None:
        mark, tone, said = ("✓", "good", "met") if shown.goal_met else ("✗", "bad", "missed")
        facts.append(Markup('<span class="{}">{} goal {} {}</span>').format(tone, mark, shown.goal, said))
    return Markup(
        '<span class="name">{}</span><span class="value">{} <span class="span">{}</span></span>{}{}'
        '<span class="facts">{}</span>'
    ).format(shown.label, shown.value, shown.span, joined(marks), sparkline(shown.trend), joined(facts))


def _better(shown: Tile) -> str:
    """The change; that it is good or bad is not said by its colour alone."""
    return shown.change + {"good": " (better)", "bad": " (worse)", "": ""}[shown.tone]


def sparkline(trend: Iterable[float | None]) -> Markup:
    """A picture of how it went; it says nothing that is not said in words, and so is hidden from who cannot see it."""
    path = spark(trend)
    if not path:
        return EMPTY
    return Markup(
        '<svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true"><path d="{}"/></svg>'
    ).format(path)


def facts(pairs: Iterable[tuple[str, str | Markup]]) -> Markup:
    """Names and what they are; those that are empty are left out."""
    rows = (Markup("<dt>{}</dt><dd>{}</dd>").format(name, text) for name, text in pairs if text)
    return Markup('<dl class="facts">{}</dl>').format(joined(rows))


def table(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str | Markup]],
    *,
    numeric: frozenset[int] | set[int] = frozenset(),
    headed: bool = False,
) -> Markup:
    """A table; the columns ``numeric`` are set to the right. The first cell of a row is its heading. It scrolls where
    there is no room, also by keys. ``headed``: a heading says what its caption says, which then is not seen."""
    head = joined(
        Markup('<th scope="col"{}>{}</th>').format(_class(at in numeric), name) for at, name in enumerate(headings)
    )
    body = joined(Markup("<tr>{}</tr>").format(_cells(row, numeric)) for row in rows)
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table><caption{}>{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(caption, Markup(' class="hidden-text"') if headed else EMPTY, caption, head, body)


def _cells(row: Sequence[str | Markup], numeric: frozenset[int] | set[int]) -> Markup:
    head = Markup('<th scope="row">{}</th>').format(row[0])
    rest = (Markup("<td{}>{}</td>").format(_class(at in numeric), cell) for at, cell in enumerate(row[1:], 1))
    return head + joined(rest)


def _class(is_number: bool) -> Markup:
    return Markup(' class="num"') if is_number else Markup(' class="wrap"')


def link(to: str, text: str | Markup, **attributes: str) -> Markup:
    """A link; ``current="page"`` marks where one is."""
    current = attributes.get("current")
    return Markup('<a href="{}"{}>{}</a>').format(
        to, Markup(' aria-current="{}"').format(current) if current else "", text
    )


def choices(label: str, options: Iterable[tuple[str, str, bool]]) -> Markup:
    """Links one of which is chosen: (address, text, whether)."""
    items = (
        Markup("<li>{}</li>").format(link(to, text, **({"current": "true"} if chosen else {})))
        for to, text, chosen in options
    )
    return Markup('<nav aria-label="{}"><ul class="choices">{}</ul></nav>').format(label, joined(items))


def address(path: str, **query: str) -> str:
    """A path with a query, of what is not empty."""
    from urllib.parse import quote, urlencode

    given: Mapping[str, str] = {name: text for name, text in query.items() if text}
    return quote(path) + (f"?{urlencode(given)}" if given else "")
