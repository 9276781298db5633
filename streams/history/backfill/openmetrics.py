"""Samples of a span of time as OpenMetrics text: the samples of a series together, the series of a metric together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client.metrics_core import Metric

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Samples:
    """Kept until they are written. ``labels`` are on every series, as a scrape would put them there."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)
        self._metrics: dict[str, str] = {}
        self._series: dict[str, dict[tuple[str, ...], _Series]] = {}
        self.count = 0
        """How many there are."""
        self.last: int | None = None
        """The time of the newest, epoch ms."""

    @property
    def series(self) -> int:
        """How many series there are."""
        return sum(len(several) for several in self._series.values())

    def add(self, metrics: Iterable[Metric], time: int) -> None:
        """Take in what was shown at a time, epoch ms; times must ascend."""
        at = f"{time // 1000}" if time % 1000 == 0 else f"{time / 1000:.3f}"
        for metric in metrics:
            several = self._series.setdefault(metric.name, {})
            for sample in metric.samples:
                key = (sample.name, *sample.labels.values())
                series = several.get(key)
                if series is None:
                    self._metrics.setdefault(metric.name, metric.type)
                    series = several[key] = _Series(_name(sample.name, {**sample.labels, **self._labels}))
                series.lines.append(f"{series.name} {float(sample.value)!r} {at}\n")
                self.count += 1
                self.last = time

    def write(self, path: Path) -> None:
        """Write them to a file, and begin anew. Raises ``OSError``."""
        with path.open("w", encoding="utf-8") as file:
            for metric, several in self._series.items():
                if several:
                    file.write(f"# TYPE {metric} {self._metrics[metric]}\n")
                for series in several.values():
                    file.writelines(series.lines)
            file.write("# EOF\n")
        self._series, self.count, self.last = {}, 0, None


class _Series:
    __slots__ = ("lines", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []


def _name(metric: str, labels: Mapping[str, str]) -> str:
    """A series' name; labels that are empty are left out, for Prometheus they are none."""
    inner = ",".join(f'{name}="{text.translate(_ESCAPED)}"' for name, text in labels.items() if text)
    return f"{metric}{{{inner}}}"
