"""A shop's own files as events: mappings, conversion, sending."""

from __future__ import annotations

from streams.ingest.imports.mapping import Mapping
from streams.ingest.imports.parse import load_mapping, mapping_names
from streams.ingest.imports.report import ImportReport
from streams.ingest.imports.run import run_import
from streams.ingest.imports.send import Record, Sink, discard

__all__ = [
    "ImportReport",
    "Mapping",
    "Record",
    "Sink",
    "discard",
    "load_mapping",
    "mapping_names",
    "run_import",
]
