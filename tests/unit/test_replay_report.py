"""The report of a replay: what it holds, nothing of it taken for markup, asking nobody, whole or not at all."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from dashboards.report.course import courses_of
from dashboards.report.library import LibraryError, library
from dashboards.report.plot import wall
from dashboards.report.write import NAME, ReportError, write_report
from streams.cli import cli
from streams.history.replay.conditions import ConditionsError
from streams.history.replay.lane import Counts
from streams.history.replay.results import Results, Summary, slice_text
from tests.support.archived import archived
from tests.support.reported import CONFIG, EVIL, HOURS, LATE, LOW, results_in
from tests.unit.test_replay_archive import sent

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """A page taken apart: elements with attributes in order, text by element, scripts, what is open at last."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: text or "" for name, text in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def said(self, *but: str) -> str:
        return " ".join(text for tag, text in self.texts if tag not in ("script", "style", *but))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = results_in(tmp_path_factory.mktemp("runs") / "october", "orders/0: offsets 5 to 9 are not in the archive")
    return write_report(folder).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def plots(page: Page) -> list[dict[str, Any]]:
    blocks = [text for tag, text in page.texts if tag == "script"]
    return [json.loads(block) for block in blocks if block.startswith("{")]


def test_it_says_what_was_replayed_and_what_came_of_it(page: Page) -> None:
    said = page.said()
    assert "Tuesday, 3 November 2026, 12:00 to Thursday, 5 November 2026, 12:00 (Europe/Berlin)" in said
    assert "1,000 events of 1,234 records" in said
    assert "archive/daybook" in said
    assert "orders/0: offsets 5 to 9 are not in the archive" in said
    assert "On time ratio lower than usual: region north" in said
    assert "merged into 1" in said
    assert [text for tag, text in page.texts if tag == "h3"][-len(CONFIG.kpis) :] == [
        kpi.name.replace("_", " ").capitalize() for kpi in CONFIG.kpis
    ], "each KPI as configured"


def test_plots_show_values_as_known_then_and_since_with_bands_alerts_and_incidents(page: Page) -> None:
    total, of_evil, ratio = plots(page)
    assert total["value"][LATE] == 14.0
    assert total["first"] == [[LATE, 10.0 + LATE % 3]]
    assert (total["low"][LATE], total["high"][LATE]) == (5.0, 15.0), "what was expected of what was known then"
    assert [one[0] for one in total["incidents"]] == [1], "a total shows what its slices had"
    assert of_evil["alerts"] == [[LOW, f"1 instead of 10 {EVIL}"]]
    assert of_evil["value"][LOW] == 1.0
    assert ratio["axis"] == "%"
    assert ratio["value"][:2] == [90.0, None]
    assert ratio["goal"] == [95.0]
    assert [one[0] for one in ratio["incidents"]] == [2]
    assert all(len(plot["at"]) == len(plot["value"]) == HOURS for plot in plots(page))
    assert set(total["at"][1:]) == {60}
    assert "48 values, 0 outside of what was expected, none alerted of, 1 corrected later" in page.said()
    assert "48 values, 1 outside of what was expected, 1 alerted of, none corrected later" in page.said()


def test_slices_nobody_was_told_of_are_left_out(tmp_path: Path) -> None:
    courses = courses_of(results_in(tmp_path / "october"))
    assert [(one.kpi, one.slice) for one in courses] == [
        ("on_time_ratio", ""), ("orders_placed", ""), ("orders_placed", slice_text({"region": EVIL})),
    ]  # fmt: skip


def test_what_data_say_is_text_and_never_markup(page: Page) -> None:
    assert EVIL in page.said()
    assert page.all("img") == []
    scripts = [attributes.get("type") for attributes in page.all("script")]
    assert scripts == ["application/json"] * 3 + ["module"]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


def test_it_asks_nobody_for_anything_and_runs_its_own_script_only(page: Page, text: str) -> None:
    for tag, attributes in page.elements:
        for name in ("src", "srcset", "data", "action", "poster", "background"):
            assert name not in attributes, tag
        assert attributes.get("href", "#").startswith("#"), tag
    assert page.all("link") == []
    styles = "".join(part for tag, part in page.texts if tag == "style")
    assert "url(" not in styles
    assert "@import" not in styles
    (policy,) = (one["content"] for one in page.all("meta") if "http-equiv" in one)
    assert "default-src 'none'" in policy
    script = re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    assert len(script) == 1
    assert f"'sha256-{b64encode(sha256(script[0].encode()).digest()).decode()}'" in policy


def test_who_cannot_see_it_is_told(page: Page, text: str) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    assert len(page.all("table")) == len(page.all("caption")) > 4
    rows = re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    widths = [len(re.findall(r"<t[hd][ >]", row)) for row in rows]
    heads = [at for at, row in enumerate(rows) if 'scope="col"' in row]
    for begin, end in pairwise([*heads, len(rows)]):
        assert set(widths[begin:end]) == {widths[begin]}, rows[begin]
    images = [one for one in page.all("div") if one.get("role") == "img"]
    assert len(images) == 3
    assert all(one["aria-label"].startswith("Plot of ") for one in images)
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    targets = {one["href"][1:] for one in page.all("a")}
    assert targets <= set(names), "links lead somewhere"
    assert {"incident-orders-1", "kpi-orders_placed"} <= targets
    assert page.all("html") == [{"lang": "en"}]


def test_days_are_the_businesss_wherever_the_reader_is() -> None:
    minutes = wall(ZoneInfo("Europe/Berlin"))
    winter = 1_793_494_800_000  # 1 November 2026, 01:00 UTC, a week after clocks went back
    assert minutes(winter) * 60_000 - winter == 3_600_000
    back = 1_792_890_000_000  # 25 October 2026, 01:00 UTC: it is 02:00 for the second time
    assert minutes(back) == minutes(back - 3_600_000)


def test_a_report_that_fails_leaves_the_one_before_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = results_in(tmp_path / "october")
    before = write_report(folder).read_bytes()
    there = sorted(folder.iterdir())

    def full(self: Path, *_: object, **__: object) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ReportError, match=r"report\.html: cannot be written \(No space left on device\)"):
        write_report(folder)
    assert sorted(folder.iterdir()) == there
    assert (folder / NAME).read_bytes() == before


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConditionsError, match=r"conditions\.json: cannot be read .*daybook replay --out"):
        write_report(tmp_path)
    folder = results_in(tmp_path / "october")
    (folder / "summary.json").write_text("{}")
    with pytest.raises(ReportError, match=r"summary\.json: "):
        write_report(folder)
    with Results(tmp_path / "older") as results:
        results.conclude(Summary(Counts(), 0, 0, 0, 0.0))
    result = CliRunner().invoke(cli, ["report", str(tmp_path / "older")])
    assert result.exit_code == 2
    assert result.output.startswith(f"daybook: {tmp_path / 'older'}/conditions.json: cannot be read")


def test_it_is_made_again_by_command(tmp_path: Path) -> None:
    folder = results_in(tmp_path / "october")
    result = CliRunner().invoke(cli, ["report", str(folder)])
    assert result.exit_code == 0, result.output
    assert (folder / NAME).stat().st_size > 1_000_000
    assert str(folder / NAME) in result.output


def test_a_replay_that_keeps_what_comes_of_it_writes_one(tmp_path: Path) -> None:
    archived(tmp_path / "archive" / "daybook", sent(), 2, most_bytes=50_000)
    config, out = tmp_path / "shop.yaml", tmp_path / "out"
    config.write_text(f"archive: {{ folder: {tmp_path / 'archive'} }}\n")
    result = CliRunner().invoke(cli, ["--config", str(config), "replay", "--no-detection", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert f"written to {out}\n{out / NAME} can be opened in a browser" in result.output
    page = Page((out / NAME).read_text(encoding="utf-8"))
    assert "not looked for" in page.said()
    assert "as they are known since" in page.said()
    assert "none corrected later" not in page.said(), "what was known at the time was not told"
    assert "outside of what was expected" not in page.said(), "nothing was"
    assert str(tmp_path / "archive" / "daybook") in page.said()
    assert len(plots(page)) >= len(CONFIG.kpis)


def test_the_library_is_there_and_another_is_refused(tmp_path: Path) -> None:
    assert re.search(r"\nconst echarts = [\w$]+;\n\Z", library())
    (tmp_path / "index.js").write_text('import{q as a}from"./x.js";export{a as echarts};\n')
    (tmp_path / "x.js").write_text("var e=1,f=2;export{e as p,f as q};\n//# sourceMappingURL=x.js.map\n")
    assert library(tmp_path) == "var e=1,f=2;\nconst echarts = f;\n"
    (tmp_path / "x.js").write_text("export default 1;\n")
    with pytest.raises(LibraryError, match=r"x\.js: does not export ECharts as expected"):
        library(tmp_path)
    (tmp_path / "index.js").unlink()
    with pytest.raises(LibraryError, match="cannot be read"):
        library(tmp_path)
