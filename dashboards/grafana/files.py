"""The dashboards of a configuration, and the files they are committed as."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.grafana.deliveries import deliveries
from dashboards.grafana.operations import operations
from dashboards.grafana.platform import platform
from dashboards.grafana.support import support
from streams.config import Config

GENERATED = Path(__file__).resolve().parent / "generated"
"""Those of the default configuration. Containers have this folder at ``/var/lib/grafana/dashboards``."""


def dashboards(config: Config) -> dict[str, Dashboard]:
    """The dashboards by uid."""
    made = [operations(config), deliveries(config), support(config), platform(config)]
    return {str(one.uid): one for one in made}


def texts(config: Config) -> dict[str, str]:
    """The dashboards as the files hold them, by file name."""
    return {f"{uid}.json": text_of(dashboard) for uid, dashboard in dashboards(config).items()}


def text_of(dashboard: Dashboard) -> str:
    """A dashboard as JSON, the same for the same dashboard."""
    return json.dumps(dashboard, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write(folder: Path, config: Config) -> list[Path]:
    """Write what differs; what was written. A dashboard that is no more is left for whoever put it there."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name in drifted(folder, config):
        path = folder / name
        path.write_text(texts(config)[name], encoding="utf-8")
        changed.append(path)
    return changed


def drifted(folder: Path, config: Config) -> list[str]:
    """Files that are not there, or not as they would be written now."""
    return [name for name, text in texts(config).items() if _read(folder / name) != text]


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
