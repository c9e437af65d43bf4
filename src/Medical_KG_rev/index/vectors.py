"""Dense segments: immutable FAISS files, exact inner product over 16-bit floats.

``IndexIDMap`` and not ``IndexIDMap2``: a segment never changes and is never asked by id, so the reverse map would only cost
time at each opening.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.index.ports import Scored
from Medical_KG_rev.index.segment_files import damaged


def dense_bytes(vids: NDArray[np.int64], matrix: NDArray[np.float32]) -> bytes:
    """The file of a segment that holds row *i* of ``matrix`` as ``vids[i]``."""
    return dense_file(vids, matrix.astype("<f2").view(np.uint8), matrix.shape[1])


def dense_file(vids: NDArray[np.int64], codes: NDArray[np.uint8], dimension: int) -> bytes:
    """The file with these rows: ``codes`` has the bytes of 16-bit floats, of shape (rows, 2 * dimension)."""
    faiss = _faiss()
    flat = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index = faiss.IndexIDMap(flat)
    index.add_sa_codes(np.ascontiguousarray(codes), vids)
    content: bytes = faiss.serialize_index(index).tobytes()
    return content


class DenseSegment:
    """A segment mapped into memory, read only: adding to a mapped FAISS index would abort the process.

    Attributes:
        vids: int64; row *i* of the segment is ``vids[i]``.
    """

    def __init__(self, path: Path) -> None:
        """Raises IndexMismatchError: it is missing, cut off, or no FAISS index."""
        self._faiss = _faiss()
        try:
            self._index = self._faiss.read_index(str(path), self._faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise damaged(str(path), str(error).splitlines()[0]) from error
        # The index must stay referenced: FAISS hands out views of its own memory.
        self._rows = self._faiss.downcast_index(self._index.index)
        self.vids: NDArray[np.int64] = self._faiss.vector_to_array(self._index.id_map)

    def __len__(self) -> int:
        return len(self.vids)

    @property
    def codes(self) -> NDArray[np.uint8]:
        """The bytes of all rows as they lie in the file, for as long as the segment is referenced."""
        stored = self._rows.codes
        codes: NDArray[np.uint8] = self._faiss.rev_swig_ptr(stored.data(), stored.size()).reshape(len(self), -1)
        return codes

    @property
    def dimension(self) -> int:
        return int(self._index.d)

    def search(self, vector: NDArray[np.float32], limit: int, allowed: NDArray[np.bool_] | None = None) -> Scored:
        """The best ``limit`` rows by inner product among those allowed (None: all), exact; in no order beyond that."""
        self._faiss.omp_set_num_threads(1)
        row = np.ascontiguousarray(vector, dtype=np.float32).reshape(1, -1)
        if allowed is None:
            scores, rows = self._rows.search(row, min(limit, len(self)))
        else:
            selected = int(allowed.sum())
            if not selected:
                return []
            selector = self._faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
            parameters = self._faiss.SearchParameters(sel=selector)
            scores, rows = self._rows.search(row, min(limit, selected), params=parameters)
        return list(zip(self.vids[rows[0]].tolist(), scores[0].tolist(), strict=True))

    def read(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """All vids with their vectors."""
        return self.vids, self._rows.reconstruct_n(0, len(self))


def _faiss() -> Any:
    """FAISS on one thread a call: legs and clients run beside each other, and its own threads make both wait.

    The setting belongs to the calling thread, so that a search sets it again.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    return faiss
