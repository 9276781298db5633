"""The feedback topic, read by every worker: what people made of alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detectors.incidents.feedback import Feedback
from detectors.watch.verdicts import Verdicts
from streams.errors import ContractError
from streams.runtime.follower import Follower
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config


def feedback_feed(config: Config, verdicts: Verdicts) -> Follower:
    """Keeps ``verdicts`` as the feedback topic says. What cannot be read is passed over: whoever makes incidents sets
    it aside."""

    def apply(record: Any) -> None:
        try:
            verdicts.put(record.offset, Feedback.decode(record.value or b""))
        except ContractError:
            return

    return Follower(config, TopicNames(config.namespace).feedback, apply)
