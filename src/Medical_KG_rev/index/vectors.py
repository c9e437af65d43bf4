"""The embedded vector store: immutable FAISS segments, exact inner product over 16-bit floats.

``IndexIDMap`` and not ``IndexIDMap2``: a segment never changes and is never asked by id, so the reverse map would only cost
time at each opening.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.index.catalogue import Segment
from Medical_KG_rev.index.disk import sync_folder, writing
from Medical_KG_rev.index.ports import Scored

_SUFFIX = ".faiss"


def _faiss() -> Any:
    """FAISS on one thread a call: legs and clients run beside each other, and its own threads make both wait.

    The setting belongs to the calling thread, so that a search sets it again.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    return faiss


class FaissStore:
    """Segments as files ``<generation>.faiss``; they appear under that name complete and synced, or not at all.

    ``step`` is told how far a write has come; tests stop the process there.
    """

    def __init__(self, root: Path, step: Callable[[str], None] = lambda _: None) -> None:
        self._root = root
        self._step = step

    def write(self, generation: int, vids: NDArray[np.int64], matrix: NDArray[np.float32]) -> Segment:
        content = _serialised(vids, matrix)
        path = self._path(generation)
        temporary = path.with_suffix(".tmp")
        with writing(path):
            self._root.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                self._step("segment.unsynced")
                os.fsync(file.fileno())
            self._step("segment.unnamed")
            temporary.replace(path)
            self._step("segment.named")
            sync_folder(self._root)
        return Segment(generation, hashlib.sha256(content).hexdigest(), len(vids))

    def read(self, segment: Segment) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        faiss = _faiss()
        path = self._path(segment.generation)
        content = self._content(path)
        if hashlib.sha256(content).hexdigest() != segment.sha256:
            raise _damaged(path, "its sha256 is not the one in the catalogue")
        # The index must stay referenced while its arrays are copied out: FAISS hands out views of its own memory.
        index = faiss.deserialize_index(np.frombuffer(content, dtype=np.uint8))
        return faiss.vector_to_array(index.id_map), faiss.downcast_index(index.index).reconstruct_n(0, index.ntotal)

    def vids(self, segment: Segment) -> NDArray[np.int64]:
        index = _mapped(self._path(segment.generation), segment)
        vids: NDArray[np.int64] = _faiss().vector_to_array(index.id_map)
        return vids

    def reader(self, segments: Sequence[Segment]) -> FaissReader:
        return FaissReader([(segment, self._path(segment.generation)) for segment in segments])

    def drop(self, generation: int) -> None:
        self._path(generation).unlink(missing_ok=True)
        self._path(generation).with_suffix(".tmp").unlink(missing_ok=True)

    def generations(self) -> list[int]:
        return sorted(int(path.stem) for path in self._root.glob(f"*{_SUFFIX}"))

    def _path(self, generation: int) -> Path:
        return self._root / f"{generation}{_SUFFIX}"

    @staticmethod
    def _content(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise _damaged(path, error.strerror or str(error)) from error


class FaissReader:
    """Memory-mapped segments, read only: adding to a mapped FAISS index would abort the process."""

    def __init__(self, segments: Sequence[tuple[Segment, Path]]) -> None:
        self._faiss = _faiss()
        self._indexes = [_mapped(path, segment) for segment, path in segments]

    @property
    def size(self) -> int:
        return sum(index.ntotal for index in self._indexes)

    def search(self, vector: NDArray[np.float32], limit: int) -> Scored:
        self._faiss.omp_set_num_threads(1)
        row = np.ascontiguousarray(vector, dtype=np.float32).reshape(1, -1)
        found: Scored = []
        for index in self._indexes:
            scores, vids = index.search(row, min(limit, index.ntotal))
            found.extend(zip(vids[0].tolist(), scores[0].tolist(), strict=True))
        return sorted(found, key=lambda hit: (-hit[1], hit[0]))[:limit]


def _mapped(path: Path, segment: Segment) -> Any:
    faiss = _faiss()
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise _damaged(path, str(error).splitlines()[0]) from error
    if index.ntotal != segment.vectors:
        raise _damaged(path, f"it holds {index.ntotal} vectors, the catalogue says {segment.vectors}")
    return index


def _serialised(vids: NDArray[np.int64], matrix: NDArray[np.float32]) -> bytes:
    faiss = _faiss()
    flat = faiss.IndexScalarQuantizer(matrix.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index = faiss.IndexIDMap(flat)
    index.add_with_ids(np.ascontiguousarray(matrix), vids)
    content: bytes = faiss.serialize_index(index).tobytes()
    return content


def _damaged(path: Path, reason: str) -> IndexMismatchError:
    return IndexMismatchError(
        f"The vector segment {path} is damaged: {reason}.",
        remedy=f"Remove the folder {path.parent.parent} and ingest again.",
        found=str(path),
    )
