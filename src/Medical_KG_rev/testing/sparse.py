"""The conformance kit of readers of learned sparse vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from Medical_KG_rev.index.filters import EVERYTHING, NO_DAY, Filter
from Medical_KG_rev.index.ports import Row, SparseReader
from Medical_KG_rev.models import SparseVector
from Medical_KG_rev.testing.expect import expect
from Medical_KG_rev.testing.lexical import ROWS


def check_sparse_reader(open_reader: Callable[[Sequence[Row]], SparseReader], *, tolerance: float = 1 / 256) -> None:
    """Holds a reader of learned sparse vectors against its port.

    Args:
        open_reader: stores rows and gives a reader of them and no others.
        tolerance: how far a score may be off, relative.

    Raises:
        ConformanceError: a promise is broken; says which.
    """
    rows = _sparse_rows()
    reader = open_reader(rows)
    for terms, weights in (([3], [1.0]), ([0, 7, 29_999], [0.5, 2.0, 1.5]), ([7, 30_521], [60.0, 0.01]), ([5], [1.0])):
        query = sparse_vector(dict(zip(terms, weights, strict=True)))
        for wanted in (EVERYTHING, Filter((("section=results",),)), Filter((), 20210101, 20211231)):
            expected = dot_products([row for row in rows if _is_wanted(row, wanted)], query)
            found = reader.search(query, 100, wanted)
            order = [vid for vid, _ in expected]
            expect([vid for vid, _ in found] == order, f"terms {terms} under {wanted} gave {found}, not {expected}")
            close = all(
                math.isclose(score, right, rel_tol=tolerance) for (_, score), (_, right) in zip(found, expected, strict=True)
            )
            expect(close, f"terms {terms} under {wanted} gave the scores {found}, not {expected}")
            expect(reader.search(query, 2, wanted) == found[:2], f"terms {terms} under {wanted}: limit 2 is not the best two")
    expect(reader.search(sparse_vector({}), 10) == [], "a query without terms must find nothing")
    many = sparse_vector({term: 1.0 if term == 3 else 0.001 for term in range(2_000)})
    expect(reader.search(many, 1)[0][0] == reader.search(sparse_vector({3: 1.0}), 1)[0][0], "2,000 terms hide the heaviest")


def sparse_vector(weights: Mapping[int, float]) -> SparseVector:
    """A vector of weights by term."""
    terms = sorted(weights)
    return SparseVector(np.array(terms, dtype=np.int32), np.array([weights[term] for term in terms], dtype=np.float32))


def _sparse_rows() -> list[Row]:
    """The rows of the kit with vectors whose dot products lie far enough apart for a server that keeps nine bits."""
    vectors: tuple[dict[int, float], ...] = (
        {3: 1.0, 7: 0.25},
        {3: 0.5, 29_999: 2.0},
        {7: 1.5, 0: 1.0},
        {},
        {30_521: 3.0, 7: 0.5},
        {3: 0.125, 0: 0.25},
    )
    return [row._replace(sparse=sparse_vector(weights)) for row, weights in zip(ROWS, vectors, strict=True)]


def dot_products(rows: Sequence[Row], query: SparseVector) -> list[tuple[int, float]]:
    """Rows with their dot products, best first, equal ones by vid. The oracle of the kit."""
    wanted = dict(zip(query.terms.tolist(), query.weights.tolist(), strict=True))
    scores = {
        row.vid: sum(
            wanted.get(term, 0.0) * weight
            for term, weight in zip(row.sparse.terms.tolist(), row.sparse.weights.tolist(), strict=True)
        )
        for row in rows
        if row.sparse is not None
    }
    return sorted(((vid, score) for vid, score in scores.items() if score > 0), key=lambda hit: (-hit[1], hit[0]))


def _is_wanted(row: Row, wanted: Filter) -> bool:
    return all(set(group) & set(row.facets) for group in wanted.facets) and (
        (wanted.first_day is None and wanted.last_day is None)
        or (row.day != NO_DAY and (wanted.first_day or 0) <= row.day <= (wanted.last_day or row.day))
    )
