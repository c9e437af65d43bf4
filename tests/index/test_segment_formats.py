"""Every kind of segment holds what was written, searches it under a selection, and folds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.index.facets import FacetSegment, facet_bytes
from Medical_KG_rev.index.filters import EVERYTHING, NO_DAY, Filter
from Medical_KG_rev.index.formats import FORMATS
from Medical_KG_rev.index.impacts import ImpactSegment, impact_bytes
from Medical_KG_rev.index.selection import ImpactReader, Selection
from Medical_KG_rev.index.vectors import DenseSegment, dense_bytes
from Medical_KG_rev.models import SparseMatrix
from Medical_KG_rev.testing.sparse import check_sparse_reader
from Medical_KG_rev.text.sparse import matrix_of

pytestmark = pytest.mark.component

TOKENS = ["source=local", "source=pmc", "mesh=aspirin", "mesh=é\u03b2", "phase=2"]
DAYS = [NO_DAY, 20190101, 20200615, 20211231]
ROWS = st.lists(st.tuples(st.sets(st.sampled_from(TOKENS)).map(lambda found: tuple(sorted(found))), st.sampled_from(DAYS)))
FILTERS = st.builds(
    Filter,
    st.lists(st.lists(st.sampled_from([*TOKENS, "absent=1"]), min_size=1, max_size=3).map(tuple), max_size=2).map(tuple),
    st.none() | st.sampled_from(DAYS[1:]),
    st.none() | st.sampled_from(DAYS[1:]),
)


def is_wanted(row, wanted):
    facets, day = row
    in_range = (wanted.first_day is None and wanted.last_day is None) or (
        day != NO_DAY and (wanted.first_day or 0) <= day <= (wanted.last_day or 99_999_999)
    )
    return in_range and all(set(group) & set(facets) for group in wanted.facets)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("segments") / "one"


@given(rows=ROWS, wanted=FILTERS)
def test_a_facet_segment_selects_what_the_filter_says(path, rows, wanted):
    vids = np.arange(len(rows), dtype=np.int64) * 3 + 5
    path.unlink(missing_ok=True)
    path.write_bytes(facet_bytes(vids, rows))
    segment = FacetSegment(path)
    assert segment.allowed(wanted).tolist() == [is_wanted(row, wanted) for row in rows]
    assert segment.allowed(EVERYTHING).all()
    read_vids, read_rows = segment.read()
    assert (read_vids.tolist(), read_rows) == (vids.tolist(), rows)


def test_a_damaged_facet_segment_is_named(path):
    content = facet_bytes(np.array([1, 2]), [(("source=local",), 20200101), ((), NO_DAY)])
    for wrong in (b"", content[:20], content[:-1], content + b"x", b"x" + content[1:]):
        path.unlink(missing_ok=True)
        path.write_bytes(wrong)
        with pytest.raises(IndexMismatchError, match="damaged"):
            FacetSegment(path)
    flipped = bytearray(content)
    flipped[60] ^= 1
    path.unlink()
    path.write_bytes(flipped)
    with pytest.raises(IndexMismatchError, match="checksum"):
        FacetSegment(path).read()


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_dense_search_under_a_selection_is_exact(path, share):
    random = np.random.default_rng(7)
    matrix = random.standard_normal((500, 16)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    vids = np.arange(500, dtype=np.int64) + 1000
    path.unlink(missing_ok=True)
    path.write_bytes(dense_bytes(vids, matrix))
    segment = DenseSegment(path)
    allowed = random.random(500) < share
    expected = np.where(allowed, matrix.astype(np.float16).astype(np.float32) @ matrix[3], -np.inf)
    best = np.argsort(-expected)[: min(20, allowed.sum())]
    found = segment.search(matrix[3], 20, allowed)
    assert [vid for vid, _ in found] == vids[best].tolist()
    np.testing.assert_allclose([score for _, score in found], expected[best], atol=1e-3)


def example(kind, count, first):
    vids = np.arange(first, first + count, dtype=np.int64)
    if kind == "dense":
        return vids, np.arange(count * 4, dtype=np.float32).reshape(count, 4) + first
    if kind == "sparse":
        return vids, SparseMatrix(np.arange(count + 1), vids.astype(np.int32), np.full(count, 0.5, dtype=np.float16), "m", "m/1")
    return vids, [((f"doc_id=d{vid}",), vid) for vid in vids.tolist()]


def plain(kind, part):
    vids, rows = part
    if kind == "dense":
        return [(vid, row.tolist()) for vid, row in zip(vids.tolist(), rows, strict=True)]
    if kind == "sparse":
        return [(vid, rows.row(i).terms.tolist(), rows.row(i).weights.tolist()) for i, vid in enumerate(vids.tolist())]
    return list(zip(vids.tolist(), rows, strict=True))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("first", [10, 100, 98])
def test_a_merged_file_is_that_of_the_live_rows_in_the_order_of_their_vids(tmp_path, kind, first):
    """Where one segment is above the other, below it, and where their vids alternate."""
    form, parts = FORMATS[kind], [example(kind, 5, 100), example(kind, 4, first)]
    if first == 98:  # 98, 101, 104, 107 and 100, 103, 106, 109, 112
        parts = [(vids[0] + (vids - vids[0]) * 3, rows) for vids, rows in parts]
    elif first == 100:
        parts[1] = parts[1][0] + 5, parts[1][1]
    opened = []
    for number, part in enumerate(parts):
        file = tmp_path / f"{number}"
        file.write_bytes(form.encode(*part))
        opened.append(form.open(file))
    assert merged_rows(tmp_path, form, kind, [(segment, None) for segment in opened]) == expected_rows(form, kind, parts)
    numbers = [np.array([0, 3]), np.array([1, 2, 3])]
    cut = [(vids[own], form.select(rows, own)) for (vids, rows), own in zip(parts, numbers, strict=True)]
    assert merged_rows(tmp_path, form, kind, list(zip(opened, numbers, strict=True))) == expected_rows(form, kind, cut)
    allowed = [np.isin(np.arange(len(segment)), own) for segment, own in zip(opened, numbers, strict=True)]
    assert merged_rows(tmp_path, form, kind, list(zip(opened, allowed, strict=True))) == expected_rows(form, kind, cut)


def expected_rows(form, kind, parts):
    """The file that would have been written at once, and its rows."""
    vids = np.concatenate([vids for vids, _ in parts])
    order = np.argsort(vids)
    part = vids[order], form.select(form.join([rows for _, rows in parts]), order)
    return form.encode(*part), plain(kind, part)


def merged_rows(tmp_path, form, kind, parts):
    content = form.merge(parts)
    path = tmp_path / "merged"
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return content, plain(kind, form.open(path).read())


def test_dense_rows_are_rounded_as_faiss_rounds_them():
    import faiss

    numbers = np.random.default_rng(5).standard_normal((300, 8)).astype(np.float32) * np.float32(0.1)
    flat = faiss.IndexScalarQuantizer(8, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index = faiss.IndexIDMap(flat)
    index.add_with_ids(numbers, np.arange(300))
    assert dense_bytes(np.arange(300), numbers) == faiss.serialize_index(index).tobytes()


@pytest.mark.parametrize("segments", [1, 2])
def test_segments_of_impacts_keep_the_promises_of_a_sparse_reader(tmp_path, segments):
    def open_reader(rows):
        impacts, facets = [], []
        for number in range(segments):
            part = rows[number::segments]
            vids = np.array([row.vid for row in part])
            files = tmp_path / f"{number}.impacts", tmp_path / f"{number}.facets"
            files[0].write_bytes(impact_bytes(vids, matrix_of([row.sparse for row in part], "tiny", "f1")))
            files[1].write_bytes(facet_bytes(vids, [(row.facets, row.day) for row in part]))
            impacts.append(ImpactSegment(files[0]))
            facets.append(FacetSegment(files[1]))
        return ImpactReader(impacts, Selection(facets))

    check_sparse_reader(open_reader)
