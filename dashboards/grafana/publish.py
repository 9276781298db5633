"""Publishing the dashboards to a running Grafana: the folder, the data source, each dashboard where it differs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from dashboards.grafana.client import Grafana, GrafanaError
from dashboards.grafana.files import texts
from dashboards.grafana.names import DATASOURCE_UID, FOLDER_UID
from streams.config import Config

Outcome = Literal["created", "updated", "unchanged"]
_THEIRS = ("id", "version")
"""What Grafana adds to a dashboard."""


class Published(NamedTuple):
    """What became of one dashboard, and where it is."""

    title: str
    outcome: Outcome
    url: str


def publish(grafana: Grafana, config: Config) -> Iterator[Published]:
    """Publish all dashboards, one after the other. What is as it should be is left alone.

    Raises :class:`GrafanaError`; what was published before stays.
    """
    source = datasource_uid(grafana, config.grafana.datasource)
    folder = folder_uid(grafana, config.grafana.folder)
    for text in texts(config).values():
        dashboard: dict[str, Any] = json.loads(text.replace(f'"{DATASOURCE_UID}"', json.dumps(source)))
        yield _published(grafana, dashboard, folder)


def datasource_uid(grafana: Grafana, name: str) -> str:
    """The uid of the data source of that name. Raises :class:`GrafanaError` where there is none of Prometheus."""
    try:
        with grafana.doing(f"find the data source {name!r}") as face:
            found = face.datasource.find_datasource(quote(name, safe=""))
    except GrafanaError as error:
        if error.status != 404:
            raise
        raise GrafanaError(
            f"{grafana.url}: there is no data source {name!r}: add one of Prometheus, or say in grafana.datasource "
            "what yours is called",
            404,
        ) from None
    if found["type"] != "prometheus":
        raise GrafanaError(f"{grafana.url}: the data source {name!r} asks {found['type']}, not Prometheus")
    return str(found["uid"])


def folder_uid(grafana: Grafana, title: str) -> str:
    """The uid of the folder of that title, which is made where there is none. One that we made and that has another
    title now is given this one."""
    with grafana.doing("list folders") as face:
        folders = face.folder.get_all_folders()
    for folder in folders:
        if folder["title"] == title:
            return str(folder["uid"])
    if any(folder["uid"] == FOLDER_UID for folder in folders):
        with grafana.doing(f"rename the folder {FOLDER_UID!r}") as face:
            version = face.folder.get_folder(FOLDER_UID)["version"]
            return str(face.folder.update_folder(FOLDER_UID, title, version=version)["uid"])
    with grafana.doing(f"make the folder {title!r}") as face:
        return str(face.folder.create_folder(title, FOLDER_UID)["uid"])


def _published(grafana: Grafana, dashboard: dict[str, Any], folder: str) -> Published:
    title = str(dashboard["title"])
    known = _known(grafana, dashboard["uid"], title)
    if known is not None and known["meta"].get("provisioned"):
        raise GrafanaError(
            f"{grafana.url}: {title!r} comes from a file of Grafana's provisioning, which publishing cannot replace: "
            "change that file, or take the provisioning away"
        )
    if known is not None and known["meta"].get("folderUid") == folder and _ours(known["dashboard"]) == dashboard:
        return Published(title, "unchanged", f"{_site(grafana)}{known['meta']['url']}")
    # With the version that was read: where somebody saves another one meanwhile, Grafana refuses.
    version = {} if known is None else {"version": known["dashboard"]["version"]}
    with grafana.doing(f"save the dashboard {title!r}") as face:
        saved = face.dashboard.update_dashboard(
            {
                "dashboard": {**dashboard, "id": None, **version},
                "folderUid": folder,
                "message": "Published by daybook dashboards publish",
                "overwrite": False,
            }
        )
    return Published(title, "created" if known is None else "updated", f"{_site(grafana)}{saved['url']}")


def _known(grafana: Grafana, uid: str, title: str) -> dict[str, Any] | None:
    try:
        with grafana.doing(f"read the dashboard {title!r}") as face:
            found: dict[str, Any] = face.dashboard.get_dashboard(uid)
    except GrafanaError as error:
        if error.status == 404:
            return None
        raise
    return found


def _ours(dashboard: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in dashboard.items() if name not in _THEIRS}


def _site(grafana: Grafana) -> str:
    """Grafana tells addresses with the path it is below."""
    scheme, _, rest = grafana.url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
