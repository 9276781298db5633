"""Spans: where a text is among a chunk's bytes, as one number, so that texts and numbers go into the same array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.kpis.compiled import lean
from streams.kpis.scan.words import PADDING

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

SPAN_BITS = 12
_LENGTH = (1 << SPAN_BITS) - 1


def span(start: Any, length: Any) -> Any:
    """The span of a text from its first byte and its bytes' number (less than 4096): integers, or arrays of them."""
    return (start << SPAN_BITS) | length


span_of = lean(span)


def begin(span: Any) -> Any:
    """Where a text begins: of a span, or of an array of them."""
    return span >> SPAN_BITS


def size(span: Any) -> Any:
    """How many bytes a text has: of a span, or of an array of them."""
    return span & _LENGTH


start_of, length_of = lean(begin), lean(size)


def joined(texts: Sequence[bytes]) -> tuple[U8, I64]:
    """Texts one after the other, padded, and their spans."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    spans: I64 = span(np.cumsum(lengths) - lengths, lengths)
    return np.frombuffer(b"".join((*texts, bytes(PADDING))), dtype=np.uint8), spans
