"""Parquet: one table for each kind of record, for pandas, Polars, DuckDB and Spark. Needs pyarrow (the extra ``parquet``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from Medical_KG_rev.errors import PartUnavailableError
from Medical_KG_rev.graph.exports.curies import iri
from Medical_KG_rev.graph.exports.outputs import Tally
from Medical_KG_rev.graph.results import AssertionRow, ClaimRow, DocumentRecord, EntityRecord, GraphRecord, MentionRecord

if TYPE_CHECKING:
    import pyarrow as pa

TABLES = ("documents", "entities", "mentions", "claims", "evidence", "assertions")
FILES = tuple(f"{table}.parquet" for table in TABLES)
ROWS_PER_GROUP = 10_000

_COLUMNS: dict[str, dict[str, str]] = {
    "documents": {"id": "string", "source": "string", "version": "string", "status": "string"},
    "entities": {
        "id": "string",
        "type": "string",
        "name": "string",
        "iri": "string",
        "aliases": "strings",
        "xrefs": "strings",
        "attributes": "string",
    },
    "mentions": {
        "entity_id": "string",
        "doc_id": "string",
        "start": "int64",
        "end": "int64",
        "text": "string",
        "score": "double",
        "negated": "bool",
        "certainty": "string",
        "family": "bool",
        "historical": "bool",
    },
    "claims": {
        "id": "string",
        "doc_id": "string",
        "subject_id": "string",
        "predicate": "string",
        "object_id": "string",
        "value": "string",
        "qualifiers": "string",
        "score": "double",
        "negated": "bool",
        "certainty": "string",
        "method": "string",
        "activity": "string",
        "source": "string",
        "status": "string",
        "assertion_id": "string",
    },
    "evidence": {
        "claim_id": "string",
        "doc_id": "string",
        "start": "int64",
        "end": "int64",
        "text": "string",
        "section": "string",
        "page": "int64",
    },
    "assertions": {
        "id": "string",
        "subject_id": "string",
        "predicate": "string",
        "object_id": "string",
        "qualifiers": "string",
        "belief": "double",
        "belief_against": "double",
        "claims_for": "int64",
        "claims_against": "int64",
        "claims_hypothetical": "int64",
        "claims_retracted": "int64",
        "documents": "int64",
    },
}
_encode = msgspec.json.Encoder(order="deterministic").encode


def write(records: Iterable[GraphRecord], files: Sequence[BinaryIO], tally: Tally) -> None:
    """All that the dump holds; ``attributes`` and ``qualifiers`` are JSON text.

    Raises:
        PartUnavailableError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise PartUnavailableError.not_installed("The library that writes Parquet", "parquet") from error
    with ExitStack() as stack:
        tables: dict[str, _Table] = {}
        for name, file in zip(TABLES, files, strict=True):
            schema = _schema(pa, _COLUMNS[name])
            writer = stack.enter_context(parquet.ParquetWriter(file, schema, compression="zstd"))
            tables[name] = _Table(schema, writer)
        for record in records:
            for name, row in _rows(record):
                tables[name].add(row)
                tally.wrote(name)
        for table in tables.values():
            table.flush()


class _Table:
    """Rows that wait until there are enough for a row group."""

    def __init__(self, schema: pa.Schema, writer: Any) -> None:
        self._schema, self._writer = schema, writer
        self._columns: list[list[Any]] = [[] for _ in schema.names]

    def add(self, row: Mapping[str, Any]) -> None:
        for column, name in zip(self._columns, self._schema.names, strict=True):
            column.append(row[name])
        if len(self._columns[0]) >= ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        if self._columns[0]:
            arrays = [pa.array(values, field.type) for values, field in zip(self._columns, self._schema, strict=True)]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
            self._columns = [[] for _ in self._columns]


def _schema(pa: Any, columns: Mapping[str, str]) -> pa.Schema:
    types = {
        "string": pa.string(),
        "strings": pa.list_(pa.string()),
        "int64": pa.int64(),
        "double": pa.float64(),
        "bool": pa.bool_(),
    }
    return pa.schema([(name, types[form]) for name, form in columns.items()])


def _rows(record: GraphRecord) -> Iterator[tuple[str, dict[str, Any]]]:
    match record:
        case DocumentRecord():
            yield "documents", _fields(record, "documents")
        case EntityRecord():
            yield "entities", _fields(record, "entities", iri=iri(record.id))
        case MentionRecord(entity_id=entity_id, mention=mention):
            yield "mentions", _fields(mention, "mentions", entity_id=entity_id)
        case ClaimRow():
            ends = {"subject_id": record.subject.id, "object_id": record.object.id if record.object else None}
            yield "claims", _fields(record, "claims", **ends)
            for evidence in record.evidence:
                yield "evidence", _fields(evidence, "evidence", claim_id=record.id)
        case AssertionRow():
            yield "assertions", _fields(record, "assertions", subject_id=record.subject.id, object_id=record.object.id)


def _fields(record: Any, table: str, **known: Any) -> dict[str, Any]:
    row = {name: known[name] if name in known else getattr(record, name) for name in _COLUMNS[table]}
    for name in ("attributes", "qualifiers"):
        if name in row:
            row[name] = _encode(row[name]).decode()
    return row
