"""The chain rule, for any interleaving of two owners and a cut at any record."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.runtime.state.chain import Chain, follow
from streams.runtime.state.frames import Entry, Kind, Offsets, cut, join

PLAN = "plan"
BEGINNING: Offsets = (0, 0, 0)


@dataclass
class Log:
    """A partition: whoever appends learns where it landed."""

    records: list[tuple[int, bytes]] = field(default_factory=list)

    def append(self, value: bytes) -> int:
        self.records.append((len(self.records), value))
        return len(self.records) - 1


@dataclass
class Owner:
    """Keeps the sum of all source numbers below its offsets: any wrong turn shows in it."""

    name: str
    log: Log
    at: Offsets = BEGINNING
    sequence: int = 0
    total: int = 0
    next: int = 0
    entries: int = 0
    owning: bool = False
    pending: list[bytes] = field(default_factory=list)
    landed: list[int] = field(default_factory=list)
    goal: tuple[int, Offsets, int] = (0, BEGINNING, 0)
    published: list[tuple[int, Offsets, int]] = field(default_factory=list)

    def recover(self) -> None:
        chain = follow(join(self.log.records), PLAN, BEGINNING)
        self.sequence, self.at, self.total = value_of(chain, 100 * (len(self.log.records) + 1))
        self.next = len(self.log.records)
        self.pending, self.landed, self.owning = [], [], True

    def begin(self, steps: int, snapshot: bool) -> None:
        if not self.owning or self.pending:
            return
        self.entries += 1
        if snapshot:
            # Only of a state that is known to be on the chain.
            if not self.published and self.at == BEGINNING:
                return
            self.goal = (self.sequence, self.at, self.total)
            entry = self._entry("snapshot", self.sequence, self.sequence, self.at, self.total)
        else:
            end = (self.at[0] + steps, self.at[1], self.at[2])
            gain = sum(range(self.at[0], end[0]))
            # A state that was recovered may be told of as one with a higher number before it is recorded again.
            number = self.sequence + 1 + steps % 3
            self.goal = (number, end, self.total + gain)
            entry = self._entry("delta", self.sequence, number, end, gain)
        self.pending = cut(entry, self.entries, 2)

    def _entry(self, kind: Kind, after: int, sequence: int, end: Offsets, value: int) -> Entry:
        return Entry(self.name, kind, PLAN, after, sequence, self.at, end, str(value).encode())

    def step(self) -> None:
        """Write one record; after an entry's last, know whether it continued the chain."""
        if not self.pending:
            return
        self.landed.append(self.log.append(self.pending.pop(0)))
        if self.pending:
            return
        expected = list(range(self.next, self.next + len(self.landed)))
        if self.landed == expected:
            self.sequence, self.at, self.total = self.goal
            self.next += len(self.landed)
            self.published.append(self.goal)
        else:
            self.owning = False
        self.landed = []


def value_of(chain: Chain, first: int = 0) -> tuple[int, Offsets, int]:
    total = int(chain.snapshot.payload) if chain.snapshot else 0
    sequence = first if chain.sequence is None else chain.sequence
    return sequence, chain.end, total + sum(int(delta.payload) for delta in chain.deltas)


actions = st.lists(
    st.tuples(
        st.sampled_from(["recover", "begin", "begin", "snapshot", "step", "step", "step"]),
        st.integers(0, 1),
        st.integers(0, 40),
    ),
    max_size=80,
)


def played(done: list[tuple[str, int, int]]) -> tuple[Log, list[Owner]]:
    """Two owners of one log, each doing what is said, in turns."""
    log = Log()
    owners = [Owner("one", log), Owner("two", log)]
    for action, who, steps in done:
        owner = owners[who]
        if action == "recover":
            owner.recover()
        elif action == "step":
            owner.step()
        else:
            owner.begin(steps, action == "snapshot")
    return log, owners


@settings(max_examples=500, deadline=None)
@given(actions, st.data())
def test_two_owners_at_once_neither_lose_nor_repeat_anything(
    done: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    log, owners = played(done)
    # A crash at any record: what is read back is the sum of exactly the numbers below its offsets …
    for length in range(len(log.records) + 1):
        _, end, total = value_of(follow(join(log.records[:length]), PLAN, BEGINNING))
        assert total == sum(range(end[0]))
    # … and so was everything that was published, which only an owner on the chain does: one state for each number.
    sequence, end, _ = value_of(follow(join(log.records), PLAN, BEGINNING))
    known: dict[int, Offsets] = {}
    for owner in owners:
        for number, offsets, total in owner.published:
            assert total == sum(range(offsets[0]))
            assert offsets <= end
            assert number <= sequence
            assert known.setdefault(number, offsets) == offsets


@given(actions, st.data())
def test_a_log_trimmed_anywhere_before_its_newest_snapshot_reads_the_same(
    done: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    log, _ = played(done)
    chain = follow(join(log.records), PLAN, BEGINNING)
    if chain.snapshot is None:
        return
    whole = value_of(chain)
    # What remains may begin in the middle of another entry, or with a snapshot that somebody wrote too late.
    begin = data.draw(st.integers(0, chain.snapshot.first))
    assert value_of(follow(join(log.records[begin:]), PLAN, BEGINNING)) == whole


def test_an_entry_of_another_plan_does_not_count() -> None:
    entries = [
        Entry("w", "delta", PLAN, 4, 5, BEGINNING, (1, 0, 0), b"0"),
        Entry("w", "delta", "other", 5, 6, (1, 0, 0), (2, 0, 0), b"1"),
        Entry("w", "snapshot", "other", 9, 9, (9, 0, 0), (9, 0, 0), b"9"),
        Entry("w", "delta", PLAN, 5, 6, (1, 0, 0), (3, 0, 0), b"3"),
    ]
    chain = follow(entries, PLAN, BEGINNING)
    assert (chain.sequence, chain.end, len(chain.deltas), chain.snapshot) == (6, (3, 0, 0), 2, None)
