"""Publishing to a Grafana, and marking incidents in it: what is written, what is left alone, what refusals say."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dashboards.grafana.client import Grafana, GrafanaError
from dashboards.grafana.marking import mark
from dashboards.grafana.names import FOLDER_UID, PAGES
from dashboards.grafana.publish import publish
from streams.cli import cli
from streams.cli.settings import Settings
from streams.config import Config, load_config
from tests.support.grafana import EDITOR, VIEWER, GrafanaDouble
from tests.support.incidents import HOUR, T0, incident, then

UIDS = [page.uid for page in PAGES]


@pytest.fixture
def grafana() -> Iterator[GrafanaDouble]:
    started = GrafanaDouble().start()
    yield started
    started.close()


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Config]:
    def configured(url: str, **more: str) -> Config:
        lines = "".join(f"  {name}: '{value}'\n" for name, value in {"url": url, **more}.items())
        (tmp_path / "daybook.yaml").write_text(f"grafana:\n{lines}")
        return load_config(tmp_path / "daybook.yaml", env={})

    return configured


def told(double: GrafanaDouble, config: Config, token: str = EDITOR) -> list[str]:
    """What became of each dashboard."""
    with Grafana(config, {"DAYBOOK_GRAFANA_TOKEN": token}) as client:
        return [one.outcome for one in publish(client, config)]


def test_everything_is_made_at_first_and_left_alone_after_that(
    grafana: GrafanaDouble, configured: Callable[..., Config]
) -> None:
    config = configured(grafana.url)
    assert told(grafana, config) == ["created"] * 4
    assert grafana.folders[FOLDER_UID]["title"] == "Daybook"
    assert list(grafana.dashboards) == UIDS
    assert set(grafana.folder_of.values()) == {FOLDER_UID}
    written = len(grafana.written)
    assert told(grafana, config) == ["unchanged"] * 4
    assert len(grafana.written) == written


def test_what_somebody_changed_is_put_right_with_a_new_version(
    grafana: GrafanaDouble, configured: Callable[..., Config]
) -> None:
    config = configured(grafana.url)
    told(grafana, config)
    grafana.dashboards[UIDS[2]] |= {"title": "Mine", "version": 7}
    assert told(grafana, config) == ["unchanged", "unchanged", "updated", "unchanged"]
    assert (grafana.dashboards[UIDS[2]]["title"], grafana.dashboards[UIDS[2]]["version"]) == ("Support", 8)


def test_panels_ask_the_data_source_of_that_name_and_links_lead_to_the_console(
    grafana: GrafanaDouble, configured: Callable[..., Config]
) -> None:
    grafana.datasources = [{"id": 4, "uid": "abc", "name": "Prom / main", "type": "prometheus"}]
    config = configured(f"{grafana.url}/", datasource="Prom / main", console="https://ops.example.org/console/")
    told(grafana, config)
    for dashboard in grafana.dashboards.values():
        asked = {panel["datasource"]["uid"] for panel in dashboard["panels"] if panel["type"] != "row"}
        assert asked == {"abc"}
        assert "daybook-prometheus" not in str(dashboard)
        (console,) = [one for one in dashboard["templating"]["list"] if one["name"] == "daybook_console"]
        assert console["query"] == "https://ops.example.org/console"


def test_a_folder_of_that_title_is_used_whoever_made_it(
    grafana: GrafanaDouble, configured: Callable[..., Config]
) -> None:
    theirs = grafana.add_folder({"title": "Operations"})["uid"]
    told(grafana, configured(grafana.url, folder="Operations"))
    assert set(grafana.folder_of.values()) == {theirs}
    assert list(grafana.folders) == [theirs]


def test_another_title_renames_our_folder(grafana: GrafanaDouble, configured: Callable[..., Config]) -> None:
    told(grafana, configured(grafana.url))
    assert told(grafana, configured(grafana.url, folder="Shop")) == ["unchanged"] * 4
    assert [one["title"] for one in grafana.folders.values()] == ["Shop"]


def test_a_grafana_below_a_path_is_found(configured: Callable[..., Config]) -> None:
    double = GrafanaDouble("/tools/grafana").start()
    try:
        config = configured(double.url)
        with Grafana(config, {"DAYBOOK_GRAFANA_TOKEN": EDITOR}) as client:
            urls = [one.url for one in publish(client, config)]
        assert urls == [f"{double.url}/d/{uid}/x" for uid in UIDS]
    finally:
        double.close()


def refusal(double: GrafanaDouble, config: Config, token: str = EDITOR) -> GrafanaError:
    with pytest.raises(GrafanaError) as caught:
        told(double, config, token)
    assert "\n" not in str(caught.value)
    assert token not in str(caught.value)
    assert str(caught.value).startswith(f"{config.grafana.url}: ")
    return caught.value


@pytest.mark.parametrize(
    ("token", "status", "words"),
    [
        ("glsa_wrong", 401, "the token in DAYBOOK_GRAFANA_TOKEN is not valid, or has expired (401: Invalid API key)"),
        (VIEWER, 403, "may not make the folder 'Daybook' (403: You'll need additional permissions"),
    ],
)
def test_a_token_that_is_wrong_or_may_too_little_is_told(
    grafana: GrafanaDouble, configured: Callable[..., Config], token: str, status: int, words: str
) -> None:
    error = refusal(grafana, configured(grafana.url), token)
    assert error.status == status
    assert words in str(error)


def test_a_data_source_that_is_not_there_or_of_another_kind_is_told(
    grafana: GrafanaDouble, configured: Callable[..., Config]
) -> None:
    error = refusal(grafana, configured(grafana.url, datasource="Other"))
    assert "there is no data source 'Other': add one of Prometheus, or say in grafana.datasource" in str(error)
    grafana.datasources[0]["type"] = "loki"
    assert "asks loki, not Prometheus" in str(refusal(grafana, configured(grafana.url)))
    assert grafana.written == []


def test_a_dashboard_saved_meanwhile_is_not_overwritten(
    grafana: GrafanaDouble, configured: Callable[..., Config]
) -> None:
    config = configured(grafana.url)
    told(grafana, config)
    grafana.dashboards[UIDS[0]]["title"] = "Mine"

    def meanwhile(method: str, path: str) -> None:
        if method == "POST":
            grafana.dashboards[UIDS[0]]["version"] += 1

    grafana.before = meanwhile
    error = refusal(grafana, config)
    assert (error.status, error.reason) == (412, "version-mismatch")
    assert "cannot save the dashboard 'Operations today': it was changed meanwhile" in str(error)
    assert grafana.dashboards[UIDS[0]]["title"] == "Mine"


def test_another_dashboard_of_the_same_name_is_left_alone(
    grafana: GrafanaDouble, configured: Callable[..., Config]
) -> None:
    folder = grafana.add_folder({"title": "Daybook"})["uid"]
    grafana.save_dashboard({"dashboard": {"uid": "theirs", "title": "Support"}, "folderUid": folder})
    error = refusal(grafana, configured(grafana.url))
    assert (error.status, error.reason) == (412, "name-exists")


def test_a_provisioned_dashboard_is_told_to_come_from_a_file(
    grafana: GrafanaDouble, configured: Callable[..., Config]
) -> None:
    config = configured(grafana.url)
    told(grafana, config)
    grafana.provisioned.add(UIDS[0])
    assert "'Operations today' comes from a file of Grafana's provisioning" in str(refusal(grafana, config))


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((500, "application/json", '{"message": "database is locked"}', {}), "(500: database is locked): its log"),
        ((502, "text/html", "<html>a message of nginx</html>", {}), "Grafana failed to answer (502): its log says why"),
        ((200, "text/html", "<html>Hello</html>", {}), "answers 200 with text/html, not JSON: it is no Grafana"),
        ((403, "text/html", "<html>Forbidden</html>", {}), "answers 403 with text/html, not JSON"),
        ((302, "text/html", "", {"Location": "/login"}), "sends one on to /login instead of answering"),
        ((301, "text/html", "", {"Location": "https://a.b/x?token=1"}), "sends one on to https://a.b/x instead"),
        ((429, "application/json", '{"message": "slow\\ndown \\u001b[31m"}', {}), "(429: slow down [31m)"),
        ((500, "application/json", "[1]", {}), "Grafana failed to find the data source 'Daybook Prometheus' (500)"),
    ],
)  # fmt: skip
def test_what_is_no_answer_of_grafana_is_one_line(
    grafana: GrafanaDouble, configured: Callable[..., Config], answers: Any, words: str
) -> None:
    grafana.answers = answers
    assert words in str(refusal(grafana, configured(grafana.url)))


def test_nobody_there_is_one_line(configured: Callable[..., Config], grafana: GrafanaDouble) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        config = configured(f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert "cannot be reached (grafana.url); does Grafana run there?" in str(refusal(grafana, config))


def ran(config: Config, *arguments: str, **env: str) -> Result:
    return CliRunner().invoke(
        cli,
        ["--config", str(config.source), "dashboards", *arguments],
        env=env,
        prog_name="daybook",
        standalone_mode=True,
    )


def test_the_command_says_what_became_of_each(grafana: GrafanaDouble, configured: Callable[..., Config]) -> None:
    result = ran(configured(grafana.url), "publish", DAYBOOK_GRAFANA_TOKEN=EDITOR)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0].split() == ["created", "Operations", "today", f"{grafana.url}/d/{UIDS[0]}/x"]
    assert len(result.output.splitlines()) == 4


@pytest.mark.parametrize("token", ["", "two words", "glsa_\ninjected: x", "schlüssel"])
def test_without_a_usable_token_nothing_is_asked(
    grafana: GrafanaDouble, configured: Callable[..., Config], token: str
) -> None:
    result = ran(configured(grafana.url), "publish", DAYBOOK_GRAFANA_TOKEN=token)
    assert result.exit_code == 2
    assert result.output.startswith("daybook: DAYBOOK_GRAFANA_TOKEN: ")
    assert len(result.output.splitlines()) == 1
    assert not token or token not in result.output
    assert grafana.requests == []


def marked(double: GrafanaDouble, config: Config, *incidents: Any, token: str = EDITOR) -> list[str]:
    with Grafana(config, {"DAYBOOK_GRAFANA_TOKEN": token}) as client:
        return [one.outcome for one in mark(client, config, incidents)]


def test_an_incident_is_a_region_with_tags_and_a_link(
    grafana: GrafanaDouble, configured: Callable[..., Config]
) -> None:
    config = configured(grafana.url)
    assert marked(grafana, config, incident(title="<b>Late</b> & more")) == ["added"]
    (one,) = grafana.annotations.values()
    assert (one["time"], one["timeEnd"]) == (T0, T0 + 2 * HOUR)
    assert set(one["tags"]) == {"daybook", "namespace:daybook", "incident:i-1", "business", "warning", "open"}
    assert one["text"] == (
        "&lt;b&gt;Late&lt;/b&gt; &amp; more<br>region north<br>"
        'open · <a href="http://127.0.0.1:8080/incidents/i-1">i-1</a>'
    )


def test_a_second_run_adds_nothing_and_changes_what_has_changed(
    grafana: GrafanaDouble, configured: Callable[..., Config]
) -> None:
    config, one, other = configured(grafana.url), incident(), incident("i-2", since=T0 + HOUR)
    assert marked(grafana, config, one, other) == ["added", "added"]
    written = len(grafana.written)
    assert marked(grafana, config, one, other) == ["unchanged", "unchanged"]
    assert len(grafana.written) == written
    later = then(one, "resolved", T0 + 5 * HOUR, state="resolved", until=T0 + 4 * HOUR)
    assert marked(grafana, config, later, other) == ["changed", "unchanged"]
    assert sorted(found["timeEnd"] for found in grafana.annotations.values()) == [T0 + 2 * HOUR, T0 + 4 * HOUR]
    assert "resolved" in grafana.annotations[1]["tags"]


def test_what_was_retracted_or_merged_is_removed_and_duplicates_are_cleared_away(
    grafana: GrafanaDouble, configured: Callable[..., Config]
) -> None:
    config, one = configured(grafana.url), incident()
    marked(grafana, config, one)
    grafana.add_annotation({**grafana.annotations[1], "time": T0})
    assert marked(grafana, config, one) == ["changed"]
    assert len(grafana.annotations) == 1
    gone = then(one, "retracted", T0 + 5 * HOUR, state="retracted")
    assert marked(grafana, config, gone) == ["removed"]
    assert grafana.annotations == {}
    assert marked(grafana, config, gone) == ["unchanged"]


def test_others_annotations_and_those_of_another_namespace_are_left_alone(
    grafana: GrafanaDouble, configured: Callable[..., Config]
) -> None:
    config = configured(grafana.url)
    grafana.add_annotation({"time": T0, "tags": ["deploy", "daybook"], "text": "a release"})
    marked(grafana, config.with_(namespace="shop"), incident())
    assert marked(grafana, config, incident()) == ["added"]
    assert marked(grafana, config, then(incident(), "retracted", T0, state="retracted")) == ["removed"]
    assert len(grafana.annotations) == 2


def test_a_viewers_token_cannot_mark(grafana: GrafanaDouble, configured: Callable[..., Config]) -> None:
    config = configured(grafana.url)
    with pytest.raises(GrafanaError, match="may not add annotations"):
        marked(grafana, config, incident(), token=VIEWER)


def test_the_command_marks_those_of_late_and_counts_them(
    grafana: GrafanaDouble, configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, now = configured(grafana.url), int(time.time() * 1000)
    late = [incident(name, since=now - 3 * HOUR, until=now - HOUR) for name in ("i-1", "i-2")]
    monkeypatch.setattr(Settings, "attach", Settings.load)  # no broker is asked
    monkeypatch.setattr(
        "streams.runtime.incidents.read_incidents",
        lambda _: {"i-0": [incident("i-0", until=T0 - 365 * 24 * HOUR)], "i-1": [late[0]], "i-2": [late[1]]},
    )
    told = [ran(config, "annotate", DAYBOOK_GRAFANA_TOKEN=EDITOR).output for _ in range(2)]
    assert told == [
        "2 incidents: 2 added, 0 changed, 0 removed, 0 unchanged\n",
        "2 incidents: 0 added, 0 changed, 0 removed, 2 unchanged\n",
    ]
    assert len(grafana.annotations) == 2
