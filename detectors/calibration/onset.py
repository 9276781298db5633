"""From surprise to alerts: told once when it begins, not again until it has been quiet or for long."""

from __future__ import annotations

from typing import Any


class Onset:
    """An alert begins when surprise reaches ``trigger``. After it, nothing is told for ``cool_down`` readings, and not
    before surprise has fallen below ``recovery`` or ``longest`` readings have passed, whatever happens in between."""

    def __init__(self, trigger: float, recovery: float, cool_down: int, longest: int) -> None:
        self.trigger, self.recovery, self.cool_down, self.longest = trigger, recovery, cool_down, longest
        self._since: int | None = None
        self._recovered = True

    def step(self, surprise: float) -> bool:
        """Whether somebody is told of this reading."""
        if self._since is not None:
            self._since += 1
            self._recovered |= surprise < self.recovery or self._since >= self.longest
        if self.waits or surprise < self.trigger:
            return False
        self._since, self._recovered = 0, False
        return True

    @property
    def open(self) -> bool:
        """Whether what was told last is still going on."""
        return not self._recovered

    @property
    def waits(self) -> bool:
        """Whether nothing is told now, whatever happens."""
        return self._since is not None and (self._since < self.cool_down or not self._recovered)

    def state(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {"since": self._since, "recovered": self._recovered}

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        self._since, self._recovered = state["since"], state["recovered"]
