"""What stages hand on: how each kind of output is written, read, counted and told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from Medical_KG_rev.models import Chunk, Claim, Document, EmbeddingBatch, Entity, RawPayload
from Medical_KG_rev.models.sparse import StoredSparseMatrix


@dataclass(frozen=True, slots=True)
class Product:
    """One kind of output. ``digest`` of a value is the same whenever and wherever the same content is made."""

    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    count: Callable[[Any], dict[str, int]]
    digest: Callable[[Any, bytes], str]


class _StoredEmbeddings(msgspec.Struct):
    chunks: tuple[Chunk, ...]
    model: str
    fingerprint: str
    dimension: int
    dense: bytes
    """Rows of float32, little-endian."""
    sparse: StoredSparseMatrix | None = None


_encoder = msgspec.msgpack.Encoder()
_payload_decoder = msgspec.msgpack.Decoder(list[RawPayload])
_document_decoder = msgspec.msgpack.Decoder(Document)
_chunk_decoder = msgspec.msgpack.Decoder(list[Chunk])
_embedding_decoder = msgspec.msgpack.Decoder(_StoredEmbeddings)
_statement_decoder = msgspec.msgpack.Decoder(tuple[list[Entity], list[Claim]])


def _encode_embeddings(batch: EmbeddingBatch) -> bytes:
    rows = np.ascontiguousarray(batch.dense, dtype="<f4").tobytes()
    sparse = StoredSparseMatrix.of(batch.sparse) if batch.sparse is not None else None
    return _encoder.encode(_StoredEmbeddings(batch.chunks, batch.model, batch.fingerprint, batch.dimension, rows, sparse))


def _decode_embeddings(content: bytes) -> EmbeddingBatch:
    stored = _embedding_decoder.decode(content)
    dense = np.frombuffer(stored.dense, dtype="<f4").astype(np.float32, copy=False).reshape(-1, stored.dimension)
    sparse = stored.sparse.matrix() if stored.sparse is not None else None
    return EmbeddingBatch(stored.chunks, dense, stored.model, stored.fingerprint, sparse)


def _digest_of_content(_value: Any, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def payload_digest(payloads: list[RawPayload]) -> str:
    """The input digest of parse: what the source served, not when."""
    return hashlib.sha256("".join(payload.digest() for payload in payloads).encode()).hexdigest()


PAYLOADS = Product(
    "payloads",
    _encoder.encode,
    _payload_decoder.decode,
    lambda payloads: {"payloads": len(payloads)},
    lambda payloads, _content: payload_digest(payloads),
)
DOCUMENT = Product(
    "document",
    _encoder.encode,
    _document_decoder.decode,
    lambda document: {"sections": len(document.sections)},
    lambda document, _content: document.digest(),
)
CHUNKS = Product("chunks", _encoder.encode, _chunk_decoder.decode, lambda chunks: {"chunks": len(chunks)}, _digest_of_content)
EMBEDDINGS = Product(
    "embeddings", _encode_embeddings, _decode_embeddings, lambda batch: {"chunks": len(batch.chunks)}, _digest_of_content
)
STATEMENTS = Product(
    "statements",
    _encoder.encode,
    _statement_decoder.decode,
    lambda statements: {"entities": len(statements[0]), "claims": len(statements[1])},
    _digest_of_content,
)

COUNTED = ("chunks", "entities", "claims")
"""The counts that a job carries."""


@dataclass(frozen=True, slots=True)
class StageKind:
    """How stages of one type are run: what they take and make, and whether many documents go into one call."""

    takes: Product | None
    makes: Product | None
    """None for effects: what they make is in a store."""
    sliced: bool = False
    of_job: bool = False
    """What it makes holds for its job alone, for the remote may have changed by the next."""


KINDS: dict[str, StageKind] = {
    "ingest": StageKind(None, PAYLOADS, sliced=True, of_job=True),
    "download": StageKind(PAYLOADS, PAYLOADS, of_job=True),
    "parse": StageKind(PAYLOADS, DOCUMENT),
    "ir_validation": StageKind(DOCUMENT, DOCUMENT),
    "chunk": StageKind(DOCUMENT, CHUNKS),
    "embed": StageKind(CHUNKS, EMBEDDINGS, sliced=True),
    "index": StageKind(EMBEDDINGS, None, sliced=True),
    "extract": StageKind(DOCUMENT, STATEMENTS),
    "kg": StageKind(STATEMENTS, None, sliced=True),
}
"""The stage types that the runner can run."""

BROUGHT = DOCUMENT
"""What a gate brings to the stages behind it."""
