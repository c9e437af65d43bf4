"""Learned sparse vectors: weights of vocabulary terms, as SPLADE makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import InvalidDocumentError


@dataclass(frozen=True, slots=True, eq=False)
class SparseVector:
    """Weights of some vocabulary terms: ``terms`` (int32, ascending, no repetition) with ``weights`` (float32, above 0)."""

    terms: NDArray[np.int32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SparseMatrix:
    """Sparse rows in CSR form: row *i* has the entries ``indptr[i]:indptr[i + 1]`` of ``terms`` and ``weights``.

    ``indptr`` is int64 of shape (rows + 1,); ``terms`` int32, ascending within a row; ``weights`` float16, finite and above 0.
    ``model`` and ``fingerprint`` name what made them; term ids mean nothing under another fingerprint.
    """

    indptr: NDArray[np.int64]
    terms: NDArray[np.int32]
    weights: NDArray[np.float16]
    model: str
    fingerprint: str

    def __post_init__(self) -> None:
        entries = int(self.indptr[-1]) if self.indptr.size else -1
        types = [array.dtype.name for array in (self.indptr, self.terms, self.weights)]
        if types != ["int64", "int32", "float16"] or not entries == len(self.terms) == len(self.weights):
            raise InvalidDocumentError(
                f"A sparse matrix needs int64 row starts, int32 terms and float16 weights of one length; got {types} "
                f"with {len(self.terms)} terms, {len(self.weights)} weights and {entries} entries."
            )
        if not (np.isfinite(self.weights).all() and (self.weights > 0).all()):
            raise InvalidDocumentError("The weights of a sparse matrix must be finite and above 0.")

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def row(self, index: int) -> SparseVector:
        start, end = int(self.indptr[index]), int(self.indptr[index + 1])
        return SparseVector(self.terms[start:end], self.weights[start:end].astype(np.float32))

    def rows(self, indexes: Sequence[int] | NDArray[np.int64]) -> SparseMatrix:
        """The rows named, in the order given."""
        chosen = np.asarray(indexes, dtype=np.int64)
        lengths = np.diff(self.indptr)[chosen]
        indptr = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
        entries = np.repeat(self.indptr[chosen] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return SparseMatrix(indptr, self.terms[entries], self.weights[entries], self.model, self.fingerprint)

    @staticmethod
    def concatenate(matrices: Sequence[SparseMatrix]) -> SparseMatrix:
        """One matrix of many, rows in order; all must come from one model."""
        if len({matrix.fingerprint for matrix in matrices}) != 1:
            raise InvalidDocumentError("Only sparse vectors of one and the same model can be joined.")
        lengths = np.concatenate([np.diff(matrix.indptr) for matrix in matrices])
        return SparseMatrix(
            np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)]),
            np.concatenate([matrix.terms for matrix in matrices]),
            np.concatenate([matrix.weights for matrix in matrices]),
            matrices[0].model,
            matrices[0].fingerprint,
        )


class StoredSparseMatrix(msgspec.Struct, frozen=True):
    """A sparse matrix as artifacts carry it; all arrays little-endian."""

    model: str
    fingerprint: str
    indptr: bytes
    terms: bytes
    weights: bytes

    @classmethod
    def of(cls, matrix: SparseMatrix) -> StoredSparseMatrix:
        return cls(
            matrix.model,
            matrix.fingerprint,
            matrix.indptr.astype("<i8").tobytes(),
            matrix.terms.astype("<i4").tobytes(),
            matrix.weights.astype("<f2").tobytes(),
        )

    def matrix(self) -> SparseMatrix:
        return SparseMatrix(
            np.frombuffer(self.indptr, dtype="<i8").astype(np.int64, copy=False),
            np.frombuffer(self.terms, dtype="<i4").astype(np.int32, copy=False),
            np.frombuffer(self.weights, dtype="<f2").astype(np.float16, copy=False),
            self.model,
            self.fingerprint,
        )
