"""Chunks quote exactly, and vectors stay with their chunks."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import InvalidDocumentError
from Medical_KG_rev.models import Chunk, EmbeddingBatch, GraphWriteReceipt, IndexReceipt, Outcome, RawPayload

pytestmark = pytest.mark.unit


def chunk(doc_id: str, number: int, text: str = "text") -> Chunk:
    return Chunk(
        chunk_id=f"{doc_id}:chunk:{number}",
        doc_id=doc_id,
        tenant_id="default",
        source="local",
        title="T",
        text=text,
        start=0,
        end=len(text),
    )


def batch(counts: list[int], fingerprint: str = "m@1") -> EmbeddingBatch:
    """``counts[i]`` chunks of document *i*; row *n* of the matrix holds n."""
    chunks = tuple(chunk(f"local:{doc}", number) for doc, count in enumerate(counts) for number in range(count))
    dense = np.repeat(np.arange(len(chunks), dtype=np.float32)[:, None], 3, axis=1)
    return EmbeddingBatch(chunks, dense, "m", fingerprint)


@pytest.mark.parametrize(("text", "start", "end"), [("", 4, 4), ("abc", 0, 2), ("abc", 2, 4)])
def test_a_chunk_that_does_not_fit_its_range_is_refused(text: str, start: int, end: int) -> None:
    with pytest.raises(InvalidDocumentError, match="local:x:chunk:0 quotes"):
        msgspec.structs.replace(chunk("local:x", 0), text=text, start=start, end=end)


def test_a_chunk_survives_storage() -> None:
    original = msgspec.structs.replace(
        chunk("local:x", 0, "naïve \U0001d6fc"), section_path=("A", "B"), bbox=(0.0, 1.0, 2.0, 3.0), page=2
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(original), type=Chunk) == original


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_cutting_a_batch_and_joining_it_again_changes_nothing(counts: list[int]) -> None:
    whole = batch(counts)
    parts = [part for _, part in whole.per_document()]
    assert [len(part.chunks) for part in parts] == counts
    assert all(len({item.doc_id for item in part.chunks}) == 1 for part in parts)
    joined = EmbeddingBatch.concatenate(parts)
    assert joined.chunks == whole.chunks
    np.testing.assert_array_equal(joined.dense, whole.dense)


def test_batches_of_different_models_are_not_joined() -> None:
    with pytest.raises(InvalidDocumentError, match="one and the same model"):
        EmbeddingBatch.concatenate([batch([1], "a@1"), batch([1], "b@1")])


@pytest.mark.parametrize(
    "dense",
    [np.zeros((1, 3), np.float32), np.zeros((2, 3), np.float64), np.zeros(2, np.float32), np.zeros((2, 3, 1), np.float32)],
)
def test_a_matrix_that_does_not_fit_is_refused(dense: np.ndarray) -> None:
    with pytest.raises(InvalidDocumentError, match="a row per chunk"):
        EmbeddingBatch((chunk("local:x", 0), chunk("local:x", 1)), dense, "m", "m@1")


def test_receipts_count_per_document_and_survive_storage() -> None:
    index = IndexReceipt(3, {"local:a": Outcome("written", 4), "local:b": Outcome("failed", 0, "store_unavailable", "No.")})
    assert index.chunks == 4
    graph = GraphWriteReceipt(2, 1, {"local:a": Outcome("unchanged")})
    for receipt in (index, graph):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(receipt), type=type(receipt)) == receipt


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_payload_digests_tell_contents_and_formats_apart(first: bytes, second: bytes) -> None:
    def digest(content: bytes, form: str = "text") -> str:
        return RawPayload(source="local", source_id="1", format=form, content=content).digest()

    assert (digest(first) == digest(second)) == (first == second)
    assert digest(first) != digest(first, "jats-xml")
