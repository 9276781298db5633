"""What a step takes in: written down as it came, so that whoever goes on takes the same step."""

from __future__ import annotations

import zstandard
from msgspec import MsgspecError, Struct, msgpack

from detectors.incidents.feedback import Feedback
from detectors.incidents.feeds import FeedTrouble
from detectors.incidents.incident import Assessment
from detectors.notification.holds import Window
from streams.errors import ContractError
from streams.kpis.values import KpiValue


class Delivered(Struct, frozen=True, omit_defaults=True):
    """What became of a message on a channel: ``error`` is empty where it was taken; with ``final`` it is of no use to
    try again, with ``perhaps`` it may have arrived all the same."""

    message: str
    channel: str
    error: str = ""
    final: bool = False
    perhaps: bool = False


class Inputs(Struct, frozen=True, omit_defaults=True):
    """What came in since the step before, up to the wall clock's ``at`` (epoch ms).

    Final and corrected ``values``, what people said, assessments by incident, what became of messages, and the sources'
    ``troubles`` as of ``heard``, an instant of event time (0: nothing new of them). ``maintenance`` is what is now
    announced, None: as before. ``resumed``: somebody else has taken over, who does not know what was sent last. Values
    wait for others of their hour, but not where it is ``late``.
    """

    at: int
    values: tuple[KpiValue, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    assessments: dict[str, Assessment] = {}
    troubles: tuple[FeedTrouble, ...] = ()
    heard: int = 0
    delivered: tuple[Delivered, ...] = ()
    maintenance: tuple[Window, ...] | None = None
    resumed: bool = False
    late: bool = False

    def encode(self) -> bytes:
        """Packed, as in the state log."""
        return zstandard.compress(_ENCODER.encode(self), 3)

    @staticmethod
    def decode(raw: bytes) -> Inputs:
        """Read what :meth:`encode` wrote. Raises :class:`ContractError` for anything else."""
        try:
            return _DECODER.decode(zstandard.decompress(raw))
        except (MsgspecError, zstandard.ZstdError) as error:
            raise ContractError(f"no inputs of a step: {error}") from None


_ENCODER = msgpack.Encoder()
_DECODER = msgpack.Decoder(Inputs)
