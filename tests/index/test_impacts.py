"""Impact segments: exact against a dense dot product, whatever is allowed and however rows are spread; damage is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from Medical_KG_rev.errors import IndexMismatchError, InvalidDocumentError
from Medical_KG_rev.index.impacts import Allowed, ImpactSegment, impact_bytes, search_impacts
from Medical_KG_rev.index.merging import merge_impacts
from Medical_KG_rev.models import SparseMatrix, SparseVector

pytestmark = pytest.mark.component

Rows = list[dict[int, float]]
Write = Callable[..., ImpactSegment]

# Eighths: sums of their products are exact in 32-bit floats, so that scores and ties can be compared without tolerance.
weights = st.integers(1, 64).map(lambda eighths: eighths / 8)
term_ids = st.one_of(st.integers(0, 6), st.sampled_from([30_521, 65_535, 65_536, 250_000]))
rows_of_weights = st.lists(st.dictionaries(term_ids, weights, max_size=6), max_size=12)


def matrix_of(rows: Rows, fingerprint: str = "f1") -> SparseMatrix:
    entries = [sorted(row.items()) for row in rows]
    return SparseMatrix(
        np.cumsum([0, *map(len, entries)], dtype=np.int64),
        np.array([term for row in entries for term, _ in row], np.int32),
        np.array([weight for row in entries for _, weight in row], np.float16),
        "tiny",
        fingerprint,
    )


def vector_of(row: dict[int, float]) -> SparseVector:
    return SparseVector(np.array(sorted(row), np.int32), np.array([row[term] for term in sorted(row)], np.float32))


def numbers(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    folder = tmp_path_factory.mktemp("segments")
    count = iter(range(1_000_000))

    def make(rows: Rows, vids: NDArray[np.int64] | None = None, fingerprint: str = "f1") -> ImpactSegment:
        path = folder / f"{next(count)}.impacts"
        path.write_bytes(impact_bytes(np.arange(len(rows)) if vids is None else vids, matrix_of(rows, fingerprint)))
        return ImpactSegment(path)

    return make


def dense_search(vids: list[int], rows: Rows, query: dict[int, float], limit: int) -> list[tuple[int, float]]:
    """The definition: the dot product with every row; what shares no term with the query is not found."""
    scores = [sum(weight * row.get(term, 0.0) for term, weight in query.items()) for row in rows]
    found = sorted((-score, vid) for vid, score in zip(vids, scores, strict=True) if score)
    return [(vid, -score) for score, vid in found[:limit]]


@given(rows=rows_of_weights, query=st.dictionaries(term_ids, weights, max_size=6), limit=st.integers(0, 14), data=st.data())
def test_search_is_the_dense_dot_product(
    write: Write, rows: Rows, query: dict[int, float], limit: int, data: st.DataObject
) -> None:
    vids = data.draw(st.permutations(range(10, 10 + len(rows))))
    places = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    cut = data.draw(st.integers(0, len(rows)))
    segment = write(rows, numbers(*vids))
    pieces = [write(rows[:cut], numbers(*vids[:cut])), write(rows[cut:], numbers(*vids[cut:]))]
    vector = vector_of(query)

    assert segment.search(vector, limit) == dense_search(vids, rows, query, limit)
    assert search_impacts([(piece, None) for piece in pieces], vector, limit) == dense_search(vids, rows, query, limit)

    kept = [vid for vid, place in zip(vids, places, strict=True) if place]
    expected = dense_search(kept, [row for row, place in zip(rows, places, strict=True) if place], query, limit)
    allowed = segment.rows_of(numbers(*kept))
    mask = np.isin(segment.vids, numbers(*kept))
    assert segment.search(vector, limit, allowed) == segment.search(vector, limit, mask) == expected
    chosen: list[tuple[ImpactSegment, Allowed]] = [(piece, piece.rows_of(numbers(*kept))) for piece in pieces]
    assert search_impacts(chosen, vector, limit) == expected

    merged = write([])
    merged_path = Path(str(merged.path) + ".merged")
    merged_path.write_bytes(merge_impacts(chosen))
    merged = ImpactSegment(merged_path)
    assert merged.search(vector, limit) == expected
    assert merged_path.read_bytes() == merge_impacts([(segment, mask)])


@given(rows=rows_of_weights)
def test_what_was_written_is_read(write: Write, rows: Rows) -> None:
    segment = write(rows, numbers(*range(len(rows), 0, -1)))
    vids, matrix = segment.read()
    expected = matrix_of(rows[::-1])
    assert vids.tolist() == list(range(1, len(rows) + 1))
    for name in ("indptr", "terms", "weights"):
        np.testing.assert_array_equal(getattr(matrix, name), getattr(expected, name))
    assert (matrix.model, matrix.fingerprint) == (segment.model, segment.fingerprint) == ("tiny", "f1")
    assert segment.postings == sum(map(len, rows))


def test_rows_of_several_blocks_are_searched_read_and_merged(write: Write) -> None:
    count = 2 * 65_536 + 3
    rows: Rows = [{} for _ in range(count)]
    for number in (0, 65_535, 65_536, 131_071, 131_072, count - 1):
        rows[number] = {1: 1 + number % 7 / 8, 9: 0.5} if number % 2 else {1: 2.0, 4: 0.25}
    segment, query = write(rows), {1: 1.0, 4: 2.0, 9: 4.0}
    expected = dense_search(list(range(count)), rows, query, 10)
    assert len(expected) == 6
    assert segment.search(vector_of(query), 10) == expected
    assert segment.search(vector_of(query), 10, numbers(65_536, count - 1)) == [
        hit for hit in expected if hit[0] in (65_536, count - 1)
    ]
    _, matrix = segment.read()
    for name in ("indptr", "terms", "weights"):
        np.testing.assert_array_equal(getattr(matrix, name), getattr(matrix_of(rows), name))
    halves = [write(rows[:100_000]), write(rows[100_000:], np.arange(100_000, count))]
    assert merge_impacts([(half, None) for half in halves]) == segment.path.read_bytes()


def test_equal_scores_come_by_vid_and_the_limit_cuts_there(write: Write) -> None:
    segment = write([{5: 1.0}] * 9, numbers(9, 2, 7, 4, 5, 6, 3, 8, 1))
    assert segment.search(vector_of({5: 2.0}), 4) == [(1, 2.0), (2, 2.0), (3, 2.0), (4, 2.0)]


def test_the_scale_of_real_segments_is_exact_too(write: Write) -> None:
    random = np.random.default_rng(7)
    rows = [
        {int(term): float(np.float16(random.exponential())) + 0.01 for term in random.choice(3000, 60, replace=False)}
        for _ in range(500)
    ]
    segment = write(rows)
    dense = np.zeros((500, 3000))
    for number, row in enumerate(rows):
        for term, weight in row.items():
            dense[number, term] = np.float16(weight)
    query = {int(term): float(random.exponential() + 0.01) for term in random.choice(3000, 40, replace=False)}
    expected = dense[:, sorted(query)] @ np.array([np.float32(query[term]) for term in sorted(query)], np.float64)
    found = segment.search(vector_of(query), 20)
    np.testing.assert_allclose([score for _, score in found], np.sort(expected)[::-1][:20], rtol=1e-5)
    np.testing.assert_allclose([expected[vid] for vid, _ in found], [score for _, score in found], rtol=1e-5)


def test_a_weight_takes_six_bytes_and_a_row_eight(write: Write) -> None:
    segment = write([dict.fromkeys(range(100), 1.0)] * 1000)
    assert segment.size_bytes == segment.path.stat().st_size
    assert segment.size_bytes - (100 * 1000 * 6 + 1000 * 8) < 100 * 12 + 200


def test_a_vid_stands_for_one_row(write: Write) -> None:
    with pytest.raises(InvalidDocumentError, match="twice"):
        impact_bytes(numbers(3, 3), matrix_of([{1: 1.0}, {2: 1.0}]))
    with pytest.raises(InvalidDocumentError, match="2 sparse vectors have 1 vids"):
        impact_bytes(numbers(3), matrix_of([{1: 1.0}, {2: 1.0}]))
    with pytest.raises(InvalidDocumentError, match="twice"):
        merge_impacts([(write([{1: 1.0}]), None), (write([{2: 1.0}]), None)])


def test_segments_of_two_vocabularies_do_not_merge(write: Write) -> None:
    with pytest.raises(IndexMismatchError, match="f1, f2"):
        merge_impacts([(write([{1: 1.0}]), None), (write([{1: 1.0}], numbers(7), "f2"), None)])


def test_every_byte_cut_off_is_seen_when_it_is_opened(write: Write) -> None:
    path = write([{1: 1.0, 2: 0.5}, {2: 0.25}]).path
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(IndexMismatchError, match="damaged") as caught:
            ImpactSegment(path)
        assert str(path) in caught.value.message
        assert "medkg index repair" in caught.value.remedy
    path.unlink()
    with pytest.raises(IndexMismatchError, match="No such file"):
        ImpactSegment(path)


def test_every_flipped_bit_is_seen_when_it_is_opened_or_verified(write: Write) -> None:
    path = write([{1: 1.0, 2: 0.5}, {2: 0.25}, {9: 3.0}]).path
    content = path.read_bytes()
    unseen = []
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        try:
            ImpactSegment(path).verify()
        except IndexMismatchError:
            continue
        unseen.append(place)
    padding = (8 - len('{"model": "tiny", "fingerprint": "f1"}') % 8) + 4  # of the names, and of three terms
    assert len(unseen) == padding
    assert not any(content[place] for place in unseen)


def test_a_posting_of_no_row_is_damage_and_not_a_crash(write: Write) -> None:
    segment = write([{1: 1.0}])
    content = bytearray(segment.path.read_bytes())
    content[-16:-12] = (7).to_bytes(4, "little")
    segment.path.write_bytes(content)
    with pytest.raises(IndexMismatchError, match="row that is not there"):
        ImpactSegment(segment.path).search(vector_of({1: 1.0}), 10)


def test_another_format_version_is_refused(write: Write) -> None:
    path = write([{1: 1.0}]).path
    content = bytearray(path.read_bytes())
    content[8] = 1
    path.write_bytes(content)
    with pytest.raises(IndexMismatchError, match="version 1"):
        ImpactSegment(path)
