"""Samples of a span of time as OpenMetrics text: the samples of a series together, the series of a metric together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from prometheus_client.metrics_core import Metric

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Samples:
    """Kept until they are written. ``labels`` are on every series, as a scrape would put them there."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)
        self._types: dict[str, str] = {}
        self._series: dict[str, dict[tuple[str, ...], _Series]] = {}
        # By metric what was shown last, and what it reads as: much of it is the same at the next time.
        self._before: dict[str, tuple[Metric, list[tuple[list[str], str]]]] = {}
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
        at = f"{time // 1000}\n" if time % 1000 == 0 else f"{time / 1000:.3f}\n"
        for metric in metrics:
            before = self._before.get(metric.name)
            if before is None or before[0] is not metric:
                before = self._before[metric.name] = (metric, list(self._read(metric)))
            for lines, text in before[1]:
                lines.append(text + at)
            self.count += len(before[1])
        self.last = time

    def _read(self, metric: Metric) -> Iterator[tuple[list[str], str]]:
        """Of each sample the lines of its series, and its own but for the time."""
        several = self._series.setdefault(metric.name, {})
        self._types[metric.name] = metric.type
        for sample in metric.samples:
            key = (sample.name, *sample.labels.values())
            series = several.get(key)
            if series is None:
                series = several[key] = _Series(_name(sample.name, {**sample.labels, **self._labels}), [])
            yield series.lines, f"{series.name} {float(sample.value)!r} "

    def write(self, path: Path) -> None:
        """Write them to a file, and begin anew. Raises ``OSError``."""
        with path.open("w", encoding="utf-8") as file:
            for metric, several in self._series.items():
                if several:
                    file.write(f"# TYPE {metric} {self._types[metric]}\n")
                for series in several.values():
                    file.writelines(series.lines)
            file.write("# EOF\n")
        self._series, self._before, self.count, self.last = {}, {}, 0, None


class _Series(NamedTuple):
    name: str
    lines: list[str]


def _name(metric: str, labels: Mapping[str, str]) -> str:
    """A series' name; labels that are empty are left out, for Prometheus they are none."""
    inner = ",".join(f'{name}="{text.translate(_ESCAPED)}"' for name, text in labels.items() if text)
    return f"{metric}{{{inner}}}"
