"""The graph in the formats of others. Every export is a stream, in the same order each time, and appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.graph.exports import fhir, graphml, jsonld, kgx, parquet, rdf
from Medical_KG_rev.graph.exports.outputs import Tally, WrittenFile, described, ordered, outputs
from Medical_KG_rev.graph.results import AssertionRow, ClaimRow, DocumentRecord, EntityRecord, GraphRecord, MentionRecord

__all__ = ["FORMATS", "ExportFormat", "ExportReceipt", "WrittenFile", "export_records"]


class ExportFormat(NamedTuple):
    """How a format is written: ``files`` are names in a folder; without any, the place itself is the file."""

    write: Callable[[Iterable[GraphRecord], Sequence[BinaryIO], Tally], None]
    files: tuple[str, ...] = ()


FORMATS: dict[str, ExportFormat] = {
    "kgx": ExportFormat(kgx.write, kgx.FILES),
    "rdf": ExportFormat(rdf.write),
    "jsonld": ExportFormat(jsonld.write),
    "fhir": ExportFormat(fhir.write),
    "graphml": ExportFormat(graphml.write),
    "parquet": ExportFormat(parquet.write, parquet.FILES),
}

_KINDS: dict[type, str] = {
    DocumentRecord: "documents",
    EntityRecord: "entities",
    MentionRecord: "mentions",
    ClaimRow: "claims",
    AssertionRow: "assertions",
}


class ExportReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What was exported.

    ``read`` counts the graph's records by kind, ``written`` the format's own units, ``left_out`` what it has no place for.
    """

    format: str
    files: tuple[WrittenFile, ...]
    read: Mapping[str, int]
    written: Mapping[str, int]
    left_out: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON values only."""
        return dict(msgspec.to_builtins(self))


def export_records(
    records: Iterable[GraphRecord], format: str, out: Path, *, progress: Callable[[str, int], None] | None = None
) -> ExportReceipt:
    """Writes a dump to ``out``: a file, or a folder for a format of several files.

    ``progress`` is told the kind of each record and how many of it came so far.

    Raises:
        UsageError: no such format, or ``out`` cannot be written.
        StorageFullError: no room; what was there is as it was.
        PartUnavailableError: the library of the format is not installed.
    """
    if format not in FORMATS:
        raise UsageError(f"{format!r} is no export format.", remedy=f"Valid: {', '.join(FORMATS)}.", valid=list(FORMATS))
    chosen, tally, read = FORMATS[format], Tally(), dict.fromkeys(_KINDS.values(), 0)
    places = [out / name for name in chosen.files] or [out]
    with outputs(places) as files:
        chosen.write(_counted(records, read, progress), files, tally)
    return ExportReceipt(
        format=format,
        files=described(places),
        read=read,
        written=ordered(tally.written),
        left_out=ordered(tally.left_out),
    )


def _counted(
    records: Iterable[GraphRecord], read: dict[str, int], progress: Callable[[str, int], None] | None
) -> Iterator[GraphRecord]:
    for record in records:
        kind = _KINDS[type(record)]
        read[kind] += 1
        if progress is not None:
            progress(kind, read[kind])
        yield record
