"""The Grafana dashboards: true to their code and to the SDK's schema, made of the KPIs there are, linked, described."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import CollectorRegistry

from dashboards.grafana.__main__ import main
from dashboards.grafana.files import GENERATED, texts
from dashboards.grafana.names import DATASOURCE_UID, FOLDER_UID, PAGES
from dashboards.grafana.panels import WIDTH
from streams.config import PACKAGED, Config, load_config
from streams.runtime.metrics import Metrics, metric_of
from tests.support.boards import asked, committed, filled, links, panels, used, variables
from tests.support.compose import COMPOSE, ROOT, mounts
from tests.support.rules import PROMETHEUS, metrics_in

UIDS = [page.uid for page in PAGES]
OF_PROMETHEUS = {"up", "ALERTS"}
"""What Prometheus says by itself."""
OF_GRAFANA = {"__rate_interval", "__url_time_range", "__data"}
"""Variables of Grafana's own."""
CONSOLE_PAGES = re.compile(r"/|/kpi/[a-z0-9_]+|/kpi/\$\{__data\.fields\.KPI\}|/incidents|/status")


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(PACKAGED, env={})


def test_there_are_those_that_the_code_names() -> None:
    assert sorted(committed()) == sorted(UIDS)


def test_what_is_committed_is_what_the_code_gives() -> None:
    assert main(["check"]) == 0


def test_a_dashboard_that_has_drifted_or_is_missing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--folder", str(tmp_path)]
    assert main(["write", *folder]) == 0
    assert main(["check", *folder]) == 0
    (tmp_path / f"{UIDS[0]}.json").write_text("{}")
    (tmp_path / f"{UIDS[1]}.json").unlink()
    capsys.readouterr()
    assert main(["check", *folder]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [Path(line.partition(" ")[0]).stem for line in told] == UIDS[:2]
    assert all(
        "is missing or not what the code gives (run: python -m dashboards.grafana write)" in line for line in told
    )
    assert main(["write", *folder]) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in GENERATED.glob("*.json")
    }


@pytest.mark.parametrize("uid", UIDS)
def test_the_sdk_reads_a_dashboard_and_writes_the_same(uid: str) -> None:
    register_default_plugins()
    read = Dashboard.from_json(json.loads((GENERATED / f"{uid}.json").read_text(encoding="utf-8")))
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == committed()[uid]


@pytest.mark.parametrize("uid", UIDS)
def test_every_panel_has_a_unit_a_description_and_words_for_where_there_is_nothing(uid: str) -> None:
    for panel in panels(committed()[uid]):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"]
        assert defaults["unit"], panel["title"]
        assert defaults["noValue"], panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert len(panel["description"]) > 25, panel["title"]
        assert panel["targets"], panel["title"]


@pytest.mark.parametrize("uid", UIDS)
def test_panels_have_numbers_of_their_own_and_lie_beside_each_other(uid: str) -> None:
    numbers = [panel["id"] for panel in committed()[uid]["panels"]]
    assert len(numbers) == len(set(numbers))
    taken: set[tuple[int, int]] = set()
    for panel in committed()[uid]["panels"]:
        at = panel["gridPos"]
        fields = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in fields) < WIDTH, panel["title"]
        assert not fields & taken, panel["title"]
        taken |= fields


def exported(config: Config) -> set[str]:
    """The names of the samples a worker can have."""
    names: set[str] = set()
    for family in Metrics(CollectorRegistry(), config.kpis).registry.collect():
        names |= {family.name, *(sample.name for sample in family.samples)}
        if family.type in ("counter", "histogram"):
            endings = ("_total",) if family.type == "counter" else ("_bucket", "_sum", "_count")
            names |= {f"{family.name}{ending}" for ending in endings}
    return names


@pytest.mark.parametrize("uid", UIDS)
def test_every_metric_that_is_asked_for_exists(uid: str, config: Config) -> None:
    known = exported(config) | OF_PROMETHEUS
    for where, expr, _ in asked(committed()[uid]):
        # Grafana's variables are no metrics, nor are the labels of a grouping.
        missing = metrics_in(re.sub(r"\$\w+", "1m", expr)) - known
        assert not missing, f"{where}: {missing} in {expr}"


def test_every_kpi_and_every_metric_of_detection_is_on_a_panel(config: Config) -> None:
    everything = {
        name for dashboard in committed().values() for _, expr, _ in asked(dashboard) for name in metrics_in(expr)
    }
    assert {metric_of(kpi) for kpi in config.kpis} <= everything
    assert {f"daybook_kpi_{name}" for name in ("expected", "surprise", "goal", "alerts_total")} <= everything
    assert {"daybook_promises_endangered", "daybook_promises_overdue", "daybook_incidents", "ALERTS"} <= everything
    # daybook_build_info is asked by a variable too. Nothing that a worker says is left out.
    families = {
        family.name + {"counter": "_total", "histogram": ""}.get(family.type, "")
        for family in Metrics(CollectorRegistry(), config.kpis).registry.collect()
        if family.name.startswith("daybook_")
    }
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in everything} | everything
    assert {"_info" in name or name in shown for name in families} == {True}, families - shown


def test_a_kpi_that_somebody_adds_appears_by_what_it_is_about(config: Config, tmp_path: Path) -> None:
    text = PACKAGED.read_text(encoding="utf-8") + (
        "\n  checkpoints_passed:\n    kind: count\n    of: delivery.checkpoint\n    better: higher\n    by: [carrier]\n"
        "\n  gross_value:\n    kind: sum\n    of: order.placed\n    field: amount\n    better: higher\n"
        "    windows: [24h]\n    grain: 1h\n"
    )
    path = tmp_path / "daybook.yaml"
    path.write_text(text)
    made = {name: json.loads(text) for name, text in texts(load_config(path, env={})).items()}
    on = {
        metric: [name for name, one in made.items() if metric in " ".join(expr for _, expr, _ in asked(one))]
        for metric in ("daybook_checkpoints_passed", "daybook_gross_value")
    }
    assert on["daybook_checkpoints_passed"] == ["daybook-operations.json", "daybook-deliveries.json"]
    assert on["daybook_gross_value"] == ["daybook-operations.json"]
    (panel,) = [one for one in panels(made["daybook-operations.json"]) if one["title"] == "Gross value"]
    # A day's sum cannot be held to what an hour should have had.
    assert [target["legendFormat"] for target in panel["targets"]] == ["Gross value"]
    assert panel["targets"][0]["expr"] == 'max(daybook_gross_value{job="$job", window="$window"}) / 100'
    assert "no band is drawn" in panel["description"].lower()


def test_a_kpi_has_its_band_its_goal_and_its_anomalies(config: Config) -> None:
    of = {panel["title"]: panel for panel in panels(committed()["daybook-operations"])}
    legends = {target["legendFormat"]: target["expr"] for target in of["On time ratio"]["targets"]}
    assert list(legends) == [
        "On time ratio", "expected at least", "expected", "expected at most", "strange", "goal, at least",
    ]  # fmt: skip
    assert 'window="1h", region="", carrier=""' in legends["On time ratio"]
    assert legends["goal, at least"] == 'max(daybook_kpi_goal{job="$job", kpi="on_time_ratio", bound="min"})'
    of_time = [target["legendFormat"] for target in of["Order to door"]["targets"]]
    assert of_time[:2] == ["50 % stay under", "90 % stay under"]
    assert of["Revenue"]["fieldConfig"]["defaults"]["unit"] == "currency:EUR "


@pytest.mark.parametrize("uid", UIDS)
def test_variables_that_are_used_are_there_and_those_that_are_there_are_used(uid: str) -> None:
    dashboard = committed()[uid]
    texts_ = [expr for _, expr, _ in asked(dashboard)] + [url for _, url in links(dashboard)]
    known = variables(dashboard)
    texts_ += [str(one["query"]) for one in known.values()]
    found = {name for text in texts_ for name in used(text)} - OF_GRAFANA
    assert found == set(known)


@pytest.mark.parametrize("uid", UIDS)
def test_links_lead_to_dashboards_panels_and_pages_that_there_are(uid: str) -> None:
    values = {"__url_time_range": "from=1&to=2", "job": "var-job=daybook", "window": "var-window=1h"}
    numbers = {name: {panel["id"] for panel in one["panels"]} for name, one in committed().items()}
    found = list(links(committed()[uid]))
    for where, url in found:
        if url.startswith("${daybook_console}"):
            assert CONSOLE_PAGES.fullmatch(url.removeprefix("${daybook_console}")), f"{where}: {url}"
            continue
        target = re.fullmatch(r"/d/([a-z-]+)(?:\?viewPanel=panel-(\d+)&(.*))?", filled(url, values))
        assert target is not None, f"{where}: {url}"
        assert target[2] is None or int(target[2]) in numbers[target[1]], f"{where}: {url}"
    assert {url for _, url in found if url.startswith("/d/") and "?" not in url} == {
        f"/d/{other}" for other in UIDS if other != uid
    }


def test_kpis_lead_to_their_page_in_the_console(config: Config) -> None:
    told = {url for _, url in links(committed()["daybook-operations"])}
    assert {f"${{daybook_console}}/kpi/{kpi.name}" for kpi in config.kpis} <= told


@pytest.mark.parametrize("uid", UIDS)
def test_incidents_are_marked_from_both_sources(uid: str) -> None:
    marks: dict[str, Any] = {one["name"]: one for one in committed()[uid]["annotations"]["list"]}
    assert marks["Incidents"]["target"] == {"limit": 100, "matchAny": False, "tags": ["daybook"], "type": "tags"}
    assert marks["Incidents"]["datasource"]["uid"] == "-- Grafana --"
    assert "daybook_incidents" in marks["Incidents, as counted"]["expr"]


def test_grafana_is_provisioned_with_the_same_names_and_places(config: Config) -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "daybook.yaml").read_text(encoding="utf-8"))["datasources"]
    assert (source["uid"], source["name"]) == (DATASOURCE_UID, config.grafana.datasource)
    assert (source["type"], source["url"]) == ("prometheus", "${PROMETHEUS_URL}")
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped
    (provider,) = yaml.safe_load((folder / "dashboards" / "daybook.yaml").read_text(encoding="utf-8"))["providers"]
    assert (provider["folderUid"], provider["folder"]) == (FOLDER_UID, config.grafana.folder)
    mounted = mounts(yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["grafana"])
    assert (ROOT / mounted[provider["options"]["path"]]).resolve() == GENERATED
    assert (ROOT / mounted["/etc/grafana/provisioning"]).resolve() == folder
