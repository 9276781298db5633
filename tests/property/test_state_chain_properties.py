"""The chain rule, for any interleaving of two owners and a cut at any record."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.runtime.state.chain import BEGINNING, Chain, follow
from streams.runtime.state.frames import Entry, Offsets, cut, join

PLAN = "plan"


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
    total: int = 0
    next: int = 0
    entries: int = 0
    owning: bool = False
    pending: list[bytes] = field(default_factory=list)
    landed: list[int] = field(default_factory=list)
    goal: tuple[Offsets, int] = (BEGINNING, 0)
    published: list[tuple[Offsets, int]] = field(default_factory=list)

    def recover(self) -> None:
        chain = follow(join(self.log.records), PLAN)
        self.at, self.total = value_of(chain)
        self.next = len(self.log.records)
        self.pending, self.landed, self.owning = [], [], True

    def begin(self, steps: int, snapshot: bool) -> None:
        if not self.owning or self.pending:
            return
        self.entries += 1
        if snapshot:
            entry = Entry(self.name, "snapshot", PLAN, self.at, self.at, str(self.total).encode())
            self.goal = (self.at, self.total)
        else:
            end = (self.at[0] + steps, self.at[1], self.at[2])
            gain = sum(range(self.at[0], end[0]))
            entry = Entry(self.name, "delta", PLAN, self.at, end, str(gain).encode())
            self.goal = (end, self.total + gain)
        self.pending = cut(entry, self.entries, 2)

    def step(self) -> None:
        """Write one record; after an entry's last, know whether it continued the chain."""
        if not self.pending:
            return
        self.landed.append(self.log.append(self.pending.pop(0)))
        if self.pending:
            return
        expected = list(range(self.next, self.next + len(self.landed)))
        if self.landed == expected:
            self.at, self.total = self.goal
            self.next += len(self.landed)
            self.published.append(self.goal)
        else:
            self.owning = False
        self.landed = []


def value_of(chain: Chain) -> tuple[Offsets, int]:
    total = int(chain.snapshot.payload) if chain.snapshot else 0
    return chain.end, total + sum(int(delta.payload) for delta in chain.deltas)


actions = st.lists(
    st.tuples(
        st.sampled_from(["recover", "begin", "begin", "snapshot", "step", "step", "step"]),
        st.integers(0, 1),
        st.integers(1, 40),
    ),
    max_size=80,
)


@settings(max_examples=500, deadline=None)
@given(actions, st.data())
def test_two_owners_at_once_neither_lose_nor_repeat_anything(
    done: list[tuple[str, int, int]], data: st.DataObject
) -> None:
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
    # A crash at any record: what is read back is the sum of exactly the numbers below its offsets …
    for length in range(len(log.records) + 1):
        end, total = value_of(follow(join(log.records[:length]), PLAN))
        assert total == sum(range(end[0]))
    # … and so was everything that was published, which only an owner on the chain does.
    end, _ = value_of(follow(join(log.records), PLAN))
    for owner in owners:
        for offsets, total in owner.published:
            assert total == sum(range(offsets[0]))
            assert offsets <= end


@given(actions)
def test_a_log_trimmed_at_its_snapshots_reads_the_same(done: list[tuple[str, int, int]]) -> None:
    log = Log()
    owner = Owner("one", log)
    owner.recover()
    for action, _, steps in done:
        if action in ("begin", "snapshot"):
            owner.begin(steps, action == "snapshot")
            while owner.pending:
                owner.step()
    whole = value_of(follow(join(log.records), PLAN))
    snapshots = [entry for entry in join(log.records) if entry.kind == "snapshot"]
    for snapshot in snapshots:
        # What remains may begin in the middle of another entry.
        first = snapshot.offset - len(cut(snapshot, 0, 2)) + 1
        for begin in range(max(0, first - 1), first + 1):
            assert value_of(follow(join(log.records[begin:]), PLAN)) == whole
