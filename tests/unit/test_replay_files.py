"""A replay from files of events: the values of the same events archived, whatever line has them; odd lines by name."""

from __future__ import annotations

import gzip
import io
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import pytest

from streams.events.codec import encode
from streams.events.types import CalendarData, CalendarEntry
from streams.history.replay.engine import Engine, coarse
from streams.history.replay.files import source_of_files
from streams.history.replay.lines import lines_of
from streams.history.replay.rows import Odd
from streams.history.replay.run import calendar_of, replay
from streams.history.replay.source import EVER, ReplayError, Source, source_of
from streams.runtime.partitions import partition_of
from tests.support.archived import archived
from tests.support.oracle import Key
from tests.support.shop import event
from tests.unit.test_replay_archive import CONFIG, DAY_MS, FINE, HOUR_MS, START, finals, sent, stepped

NOW = START + 30 * DAY_MS
Finals = dict[Key, tuple[float | None, tuple[int, ...]]]


def lines() -> list[bytes]:
    """What the small shop sends, one event a line."""
    return list(dict.fromkeys(record.value for record in sent()))


def written(path: Path, some: Sequence[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in some))
    return path


def read(
    tmp_path: Path, *paths: Path, between: tuple[int, int] = EVER, now: int = NOW, odd: list[Odd] | None = None
) -> Source:
    scratch = tmp_path / f"scratch-{random.getrandbits(40):x}"
    said = [] if odd is None else odd
    source = source_of_files(CONFIG, paths, scratch, between, now=now, odd=said.append)
    assert odd is not None or said == []
    return source


def final(source: Source) -> Finals:
    engine = Engine(coarse(FINE), source.partitions)
    values = [value for step in stepped(source, 10_000, coarse(FINE), HOUR_MS) for value in engine.take(step).values]
    return finals(values + engine.finish().values)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Finals:
    """What an archive of the same records comes to."""
    return final(source_of(archived(tmp_path_factory.mktemp("wanted"), sent(), 2, most_bytes=1_000_000)))


def test_values_are_those_of_the_archive_whatever_file_and_line_events_are_in(tmp_path: Path, wanted: Finals) -> None:
    everything = lines()
    assert len(wanted) > 1_000
    assert final(read(tmp_path, written(tmp_path / "all.jsonl", everything))) == wanted
    mixed = random.Random(5).sample(everything, len(everything))
    half = len(mixed) // 2
    parts = [written(tmp_path / "one.jsonl", mixed[:half]), written(tmp_path / "other.jsonl", mixed[half:])]
    assert final(read(tmp_path, *parts)) == wanted


def test_incidents_and_alerts_are_those_of_the_archive(tmp_path: Path) -> None:
    archive = archived(tmp_path / "archive", sent(), 2, most_bytes=1_000_000)
    one = replay(CONFIG, source_of(archive))
    other = replay(CONFIG, read(tmp_path, written(tmp_path / "all.jsonl", lines())))
    assert (one.alerts, one.incidents) == (other.alerts, other.incidents)
    assert one.counts.events == other.counts.events


def test_packed_files_standard_input_and_those_from_other_systems_are_read(
    tmp_path: Path, wanted: Finals, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"\r\n\r\n".join(lines())
    packed = tmp_path / "all.jsonl.gz"
    packed.write_bytes(gzip.compress(text))
    assert final(read(tmp_path, packed)) == wanted
    dos = tmp_path / "dos.jsonl"
    dos.write_bytes(b"\xef\xbb\xbf" + text)
    assert final(read(tmp_path, dos)) == wanted
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(text))))  # type: ignore[type-var]
    assert final(read(tmp_path, Path("-"))) == wanted


def test_a_pipe_with_a_name_is_a_file(tmp_path: Path, wanted: Finals) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_bytes, args=(b"\n".join(lines()),), daemon=True)
    writer.start()
    assert final(read(tmp_path, pipe)) == wanted
    writer.join()


def test_how_far_it_is_never_goes_back_and_comes_to_the_end(tmp_path: Path) -> None:
    everything, shares = lines(), list[float]()
    paths = [written(tmp_path / f"{number}.jsonl", everything[number::3]) for number in range(3)]
    source_of_files(
        CONFIG,
        paths,
        tmp_path / "scratch",
        now=NOW,
        odd=pytest.fail,
        progress=lambda done, of: shares.append(done / of),
    )
    assert shares == sorted(shares)
    assert len({*shares}) > 3
    assert shares[-1] == 1.0


def test_records_are_in_the_partitions_in_which_a_producer_places_them(tmp_path: Path) -> None:
    source = read(tmp_path, written(tmp_path / "all.jsonl", lines()))
    assert source.partitions == CONFIG.kafka.partitions
    for number in range(source.partitions):
        for log in source.logs(number).values():
            for batch in log:
                for value in batch.values:
                    assert value is not None
                    subject = value.partition(b'"subject":"')[2].partition(b'"')[0]
                    assert b"source.heartbeat" in value or partition_of(subject, source.partitions) == number


def test_a_time_is_when_it_happened(tmp_path: Path) -> None:
    path = written(tmp_path / "all.jsonl", lines())
    day = START + DAY_MS
    source = read(tmp_path, path, between=(day, day + DAY_MS))
    arrivals = [at for number in range(source.partitions) for log in source.logs(number).values() for at in log]
    assert min(batch.arrivals.min() for batch in arrivals) >= day
    assert max(batch.arrivals.max() for batch in arrivals) < day + DAY_MS
    with pytest.raises(ReplayError, match=r"nothing happened in that time .what there is happened from 2026-0"):
        read(tmp_path, path, between=(0, 1_000))


def test_odd_lines_are_named_counted_as_rejected_and_change_nothing_else(tmp_path: Path, wanted: Finals) -> None:
    everything = lines()
    late = everything[-1].replace(b'"time":"2026', b'"time":"2036')
    bad = [b"[1, 2", b"\xff", everything[5][:-20], b'{"type":"calendar.entry"}', late]
    bad += [everything[7].replace(b'"time":"2026', b'"time":"2026-')]
    assert len(set(bad) - set(everything)) == len(bad)
    for at, line in enumerate(bad):
        everything.insert(3 + 40 * at, line)
    odd: list[Odd] = []
    path = written(tmp_path / "odd.jsonl", everything)
    source = read(tmp_path, path, odd=odd)
    assert [(one.file, one.line) for one in odd] == [(str(path), 4 + 40 * at) for at in range(len(bad))]
    assert [one.why.split(":")[0] for one in odd] == [
        "expected object, got array",
        "invalid UTF-8",
        "malformed JSON",
        "missing field",
        "time",
        "time",
    ]
    assert "ahead of now" in odd[4].why
    assert replay(CONFIG, source, detect=False).counts.rejected == len(bad)
    assert final(source) == wanted


def test_a_line_that_is_too_long_is_odd_and_is_not_kept(tmp_path: Path, wanted: Finals) -> None:
    everything, longest = lines(), CONFIG.limits.event_bytes
    long = b'{"x":"' + b"x" * (3 * longest) + b'"}'
    odd: list[Odd] = []
    path = written(tmp_path / "some.jsonl", [everything[0], long, *everything[1:], b"y" * (longest + 1)])
    assert final(read(tmp_path, path, odd=odd)) == wanted
    assert [one.line for one in odd] == [2, len(everything) + 2]
    assert all("bytes" in one.why for one in odd)
    kept = [line for some in lines_of(path, longest) for line in some.values]
    assert max(map(len, kept)) == longest + 1
    assert len(kept) == len(everything) + 2


def test_a_long_time_in_which_nothing_happened_is_said(tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []

    def replayed(*some: bytes) -> None:
        path = written(tmp_path / "some.jsonl", [*some, *lines()])
        scratch = tmp_path / f"scratch-{random.getrandbits(40):x}"
        source_of_files(CONFIG, [path], scratch, now=NOW, odd=print, quiet=lambda *of: said.append(of))

    replayed()
    assert said == []
    old = START - 400 * DAY_MS
    replayed(encode(event("order.placed", old, "O-old")))
    ((since, until),) = said
    assert since == old
    assert START <= until < START + DAY_MS


def test_a_calendar_in_files_is_known_from_the_beginning(tmp_path: Path) -> None:
    data = CalendarData(
        entry_id="fair",
        kind="promotion",
        start="2026-03-03T10:00:00Z",
        end="2026-03-03T12:00:00Z",
    )
    entry = CalendarEntry(id="fair-1", source="shop/office", time="2026-03-02T00:00:00Z", subject="fair", data=data)
    path = written(tmp_path / "all.jsonl", [*lines(), encode(entry)])
    for source in (read(tmp_path, path), read(tmp_path, path, between=(START + 2 * DAY_MS, EVER[1]))):
        assert "fair" in {one.id for one in calendar_of(CONFIG, source).occasions("promotion")}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "there is no event in it"),
        (b"\n\n", "there is no event in it"),
        (b"PAR1\0\nabc\n", r"no line of it is an event \(line 1: malformed JSON"),
        (gzip.compress(b"{}\n" * 9_000)[:-12], "cannot be unpacked, it is damaged or cut off"),
    ],
)
def test_what_holds_no_events_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "some.jsonl"
    path.write_bytes(content)
    with pytest.raises(ReplayError, match=rf"^{path}: {said}"):
        read(tmp_path, path, odd=[])


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"missing\.jsonl: cannot be read .no such file or directory"):
        read(tmp_path, tmp_path / "missing.jsonl")
    with pytest.raises(ReplayError, match=r"is a folder .expected a file of events"):
        read(tmp_path, tmp_path)
