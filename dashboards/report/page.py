"""The report as one HTML page that asks nobody for anything: style, script and data are in it."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dashboards.report.library import library
from dashboards.report.view import Entry, View, anchor_of
from streams.history.replay.conditions import Conditions

_HERE = Path(__file__).parent
_STYLES = (_HERE.parent / "console" / "static" / "palette.css", _HERE / "report.css")


def page(conditions: Conditions, view: View) -> str:
    """The page. Whatever comes from data is escaped; the browser is told to run the page's own script only.

    Raises :class:`~dashboards.report.library.LibraryError`.
    """
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    script = library() + (_HERE / "report.js").read_text(encoding="utf-8")
    entries = view.entries()
    return environment.get_template("report.html.jinja").render(
        title=f"{conditions.business}: replay",
        view=view,
        gaps=conditions.gaps,
        entries=entries,
        contents=[_line(one) for one in entries],
        overview=[(_link(anchor, label), *figures) for anchor, label, *figures in view.overview()],
        symptoms=_symptoms,
        sections=view.sections(),
        anchor_of=anchor_of,
        style=Markup("".join(path.read_text(encoding="utf-8") for path in _STYLES)),
        script=Markup(script),
        digest=b64encode(sha256(script.encode()).digest()).decode(),
    )


def _line(one: Entry) -> tuple[str | Markup, ...]:
    facts = dict(one.facts)
    since = facts["Since"].partition(",")[0]
    return str(one.number), _link(one.anchor, one.title), since, one.severity, facts["State"]


def _symptoms(one: Entry) -> list[tuple[str | Markup, ...]]:
    return [(_link(anchor, label), *rest) for anchor, label, *rest in one.symptoms]


def _link(anchor: str, text: str) -> Markup:
    return Markup('<a href="#{}">{}</a>').format(anchor, text)
