"""A Grafana double: as much of its documented HTTP API as Daybook uses, with its refusals, in a thread of its own.

https://grafana.com/docs/grafana/latest/developers/http_api: folders, dashboards, data sources, annotations.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

EDITOR, VIEWER = "glsa_editor", "glsa_viewer"
"""Tokens: one that may do all, one that may only look."""


class Refused(Exception):
    """An answer that is none, in Grafana's form."""

    def __init__(self, code: int, message: str, **more: str) -> None:
        super().__init__(message)
        self.code, self.body = code, {"message": message, **more}


class GrafanaDouble:
    """``url`` is where it is, below ``prefix``. ``answers`` replaces what it says to all requests: status, type, text,
    headers. ``before`` is called before each request, with its method and path."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.folders: dict[str, dict[str, Any]] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.folder_of: dict[str, str] = {}
        self.provisioned: set[str] = set()
        self.datasources = [{"id": 1, "uid": "daybook-prometheus", "name": "Daybook Prometheus", "type": "prometheus"}]
        self.annotations: dict[int, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.answers: tuple[int, str, str, dict[str, str]] | None = None
        self.before: Callable[[str, str], None] = lambda method, path: None
        self._ids = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{prefix}"

    def start(self) -> GrafanaDouble:
        self._thread.start()
        return self

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def written(self) -> list[tuple[str, str]]:
        """The requests that change something."""
        return [one for one in self.requests if one[0] != "GET"]

    def next_id(self) -> int:
        self._ids += 1
        return self._ids

    # -- folders ------------------------------------------------------------------------------------------------

    def list_folders(self, **_: Any) -> Any:
        return [{name: one[name] for name in ("id", "uid", "title")} for one in self.folders.values()]

    def get_folder(self, uid: str, **_: Any) -> Any:
        if uid not in self.folders:
            raise Refused(404, "folder not found", status="not-found")
        return self.folders[uid]

    def add_folder(self, body: Any, **_: Any) -> Any:
        if not body.get("title"):
            raise Refused(400, "folder title cannot be empty")
        uid = body.get("uid") or f"f{self.next_id()}"
        if uid in self.folders:
            raise Refused(412, "the folder has been changed by someone else", status="version-mismatch")
        self.folders[uid] = {"id": self.next_id(), "uid": uid, "title": body["title"], "version": 1, "url": f"/f/{uid}"}
        return self.folders[uid]

    def change_folder(self, uid: str, body: Any, **_: Any) -> Any:
        folder = self.get_folder(uid)
        if not body.get("overwrite") and body.get("version") != folder["version"]:
            raise Refused(412, "the folder has been changed by someone else", status="version-mismatch")
        folder |= {"title": body["title"], "version": folder["version"] + 1}
        return folder

    # -- dashboards ---------------------------------------------------------------------------------------------

    def get_dashboard(self, uid: str, **_: Any) -> Any:
        if uid not in self.dashboards:
            raise Refused(404, "Dashboard not found")
        meta = {
            "folderUid": self.folder_of[uid],
            "url": f"{self.prefix}/d/{uid}/x",
            "provisioned": uid in self.provisioned,
        }
        return {"dashboard": self.dashboards[uid], "meta": meta}

    def save_dashboard(self, body: Any, **_: Any) -> Any:
        dashboard, folder = dict(body["dashboard"]), body.get("folderUid", "")
        uid, known = dashboard["uid"], self.dashboards.get(dashboard["uid"])
        if folder and folder not in self.folders:
            raise Refused(404, "folder not found", status="not-found")
        if uid in self.provisioned:
            raise Refused(400, "Cannot save provisioned dashboard")
        if known is not None and not body.get("overwrite") and dashboard.get("version") != known["version"]:
            raise Refused(412, "The dashboard has been changed by someone else", status="version-mismatch")
        twins = [one for one in self.dashboards.values() if one["title"] == dashboard["title"] and one["uid"] != uid]
        if any(self.folder_of[one["uid"]] == folder for one in twins) and not body.get("overwrite"):
            raise Refused(412, "A dashboard with the same name in the folder already exists", status="name-exists")
        version = 1 if known is None else known["version"] + 1
        number = self.next_id() if known is None else known["id"]
        self.dashboards[uid] = {**dashboard, "id": number, "version": version}
        self.folder_of[uid] = folder
        return {"id": number, "uid": uid, "url": f"{self.prefix}/d/{uid}/x", "status": "success", "version": version}

    # -- data sources and annotations -----------------------------------------------------------------------------

    def get_datasource(self, name: str, **_: Any) -> Any:
        for one in self.datasources:
            if one["name"] == name:
                return one
        raise Refused(404, "Data source not found")

    def find_annotations(self, query: dict[str, list[str]], **_: Any) -> Any:
        tags = set(query.get("tags", []))
        found = [one for one in self.annotations.values() if tags <= set(one["tags"])]
        found.sort(key=lambda one: one["time"], reverse=True)
        return found[: int(query.get("limit", ["100"])[0])]

    def add_annotation(self, body: Any, **_: Any) -> Any:
        if not body.get("text"):
            raise Refused(400, "Failed to save annotation")
        number = self.next_id()
        self.annotations[number] = self._annotation(number, body)
        return {"message": "Annotation added", "id": number}

    def change_annotation(self, number: str, body: Any, **_: Any) -> Any:
        self._known(number)
        self.annotations[int(number)] = self._annotation(int(number), body)
        return {"message": "Annotation updated"}

    def remove_annotation(self, number: str, **_: Any) -> Any:
        self._known(number)
        del self.annotations[int(number)]
        return {"message": "Annotation deleted"}

    def _known(self, number: str) -> None:
        if int(number) not in self.annotations:
            raise Refused(404, "Could not find annotation to update")

    @staticmethod
    def _annotation(number: int, body: Any) -> dict[str, Any]:
        end = body.get("timeEnd") or body["time"]
        return {
            "id": number, "time": body["time"], "timeEnd": end, "tags": sorted(body["tags"]), "text": body["text"]
        }  # fmt: skip

    # -- HTTP ---------------------------------------------------------------------------------------------------

    def answer(self, method: str, target: str, headers: Any, raw: bytes) -> tuple[int, Any]:
        parts = urlsplit(target)
        if not parts.path.startswith(f"{self.prefix}/api/"):
            raise Refused(404, "Not found")
        path = parts.path.removeprefix(f"{self.prefix}/api")
        self.requests.append((method, path))
        self.before(method, path)
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in (EDITOR, VIEWER):
            raise Refused(401, "Invalid API key", messageId="api-key.invalid")
        if token == VIEWER and method != "GET":
            raise Refused(403, "You'll need additional permissions to perform this action.", title="Access denied")
        for expected, pattern, handler in self._routes():
            found = re.fullmatch(pattern, path)
            if found and expected == method:
                body = json.loads(raw) if raw else None
                named = {name: unquote(text) for name, text in found.groupdict().items()}
                return 200, handler(**named, body=body, query=parse_qs(parts.query))
        raise Refused(404, "Not found")

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        return [
            ("GET", "/folders", self.list_folders),
            ("POST", "/folders", self.add_folder),
            ("GET", "/folders/(?P<uid>[^/]+)", self.get_folder),
            ("PUT", "/folders/(?P<uid>[^/]+)", self.change_folder),
            ("POST", "/dashboards/db", self.save_dashboard),
            ("GET", "/dashboards/uid/(?P<uid>[^/]+)", self.get_dashboard),
            ("GET", "/datasources/name/(?P<name>[^/]+)", self.get_datasource),
            ("GET", "/annotations", self.find_annotations),
            ("POST", "/annotations", self.add_annotation),
            ("PUT", r"/annotations/(?P<number>\d+)", self.change_annotation),
            ("DELETE", r"/annotations/(?P<number>\d+)", self.remove_annotation),
        ]

    def _handler(double) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {"Content-Type": "application/json"}
                if double.answers is not None:
                    status, kind, text, more = double.answers
                    headers = {"Content-Type": kind, **more}
                else:
                    try:
                        status, found = double.answer(self.command, self.path, self.headers, raw)
                    except Refused as refused:
                        status, found = refused.code, refused.body
                    text = json.dumps(found)
                payload = text.encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(payload))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_PUT = do_DELETE = _any

            def log_message(self, *_: Any) -> None:
                """Nothing on the terminal."""

        return Handler
