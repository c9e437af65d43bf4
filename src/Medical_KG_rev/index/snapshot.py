"""The reading side of one tenant's index: whole generations, seen through one catalogue snapshot at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import IndexMismatchError, StoreUnavailableError
from Medical_KG_rev.index.catalogue import Catalogue
from Medical_KG_rev.index.filters import EVERYTHING, Filter
from Medical_KG_rev.index.formats import FORMATS
from Medical_KG_rev.index.ports import LexicalReader, Scored, SegmentFiles, SparseReader, VectorReader
from Medical_KG_rev.index.segment_files import damaged
from Medical_KG_rev.index.selection import DenseReader, ImpactReader, Selection
from Medical_KG_rev.index.spaces import Segment, Space
from Medical_KG_rev.index.stores import IndexStores
from Medical_KG_rev.models import Chunk, SparseVector

_ATTEMPTS = 100
"""A view is taken again when a writer commits while it is being opened. That takes a few milliseconds, a commit many more."""
_SPARE = 1.1
_GROWTH = 4


@dataclass(frozen=True)
class View:
    """The stores as opened for one generation. They stay as they are, whatever is written later."""

    head: tuple[str, int]
    meta: dict[str, str]
    spaces: Mapping[str, Space]
    """The active space of each kind."""
    lexical: LexicalReader
    dense: VectorReader
    sparse: SparseReader
    served: frozenset[str] = frozenset()
    """The legs that a server searches."""


class Snapshot:
    """One generation of one tenant for the length of one query. May be used by several threads."""

    def __init__(self, catalogue: Catalogue, view: View) -> None:
        self._catalogue = catalogue
        self._guard = threading.Lock()
        self._view = view
        self.meta = view.meta
        """``tenant``, ``analyser``, and of the dense space ``model``, ``fingerprint`` and ``dimension``."""

    @property
    def generation(self) -> int:
        return self._view.head[1]

    @property
    def spaces(self) -> Mapping[str, Space]:
        """The vectors that are searched, ``dense`` and ``sparse``, as far as the index has them."""
        return {kind: space for kind, space in self._view.spaces.items() if kind != "facets"}

    @property
    def served(self) -> frozenset[str]:
        """The legs that a server searches, and not this process."""
        return self._view.served

    def search_lexical(self, tokens: Sequence[str], depth: int, wanted: Filter = EVERYTHING) -> Scored:
        """The best ``depth`` live chunks by BM25."""
        return self._live(lambda limit: self._view.lexical.search(tokens, limit, wanted), depth)

    def search_sparse(self, query: SparseVector, depth: int, wanted: Filter = EVERYTHING) -> Scored:
        """The best ``depth`` live chunks by the dot product of learned sparse vectors."""
        return self._live(lambda limit: self._view.sparse.search(query, limit, wanted), depth)

    def search_vectors(self, vector: NDArray[np.float32], depth: int, wanted: Filter = EVERYTHING) -> Scored:
        """The best ``depth`` live chunks by inner product."""
        return self._live(lambda limit: self._view.dense.search(vector, limit, wanted), depth)

    def doc_ids(self, vids: Sequence[int]) -> dict[int, str]:
        with self._guard:
            return self._catalogue.doc_ids(vids)

    def chunks(self, vids: Sequence[int]) -> dict[int, Chunk]:
        with self._guard:
            return self._catalogue.chunks(vids)

    def _live(self, fetch: Callable[[int], Scored], depth: int) -> Scored:
        """Asks for more and more until ``depth`` of the rows are live, so that dead and staged ones never shorten a result."""
        limit = int(depth * _SPARE) + 1
        while True:
            found = fetch(limit)
            alive = self.doc_ids([vid for vid, _ in found])
            live = [hit for hit in found if hit[0] in alive]
            if len(live) >= depth or len(found) < limit:
                return live[:depth]
            limit *= _GROWTH


class TenantReader:
    """Gives snapshots of one tenant's index. Its stores stay open from query to query.

    A long-lived one notices a new generation, and an index that was replaced altogether, at the next query.
    """

    def __init__(self, stores: IndexStores, tenant_id: str) -> None:
        self._stores = stores
        self._tenant_id = tenant_id
        self._files = stores.files(tenant_id)
        self._view: View | None = None
        self._open: dict[str, Any] = {}
        """Segments of the view by file name and digest: most of them are there in the next generation too."""

    def close(self) -> None:
        """Closes the connections that no query is using."""
        self._stores.close()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot | None]:
        """The newest generation; None while there is none.

        Raises:
            StoreUnavailableError: the stores could not be opened, or changed without end while that was tried.
            IndexMismatchError: a segment is damaged, or the index is of another schema.
        """
        with self._stores.reading(self._tenant_id) as catalogue:
            if catalogue is None:
                self._view = None
                yield None
                return
            for _ in range(_ATTEMPTS):
                with catalogue.reading():
                    head = catalogue.head()
                    if head[1] == 0:
                        yield None
                        return
                    view = self._current_view(catalogue, head)
                    if view is not None:
                        yield Snapshot(catalogue, view)
                        return
            raise StoreUnavailableError(
                f"The index of tenant {self._tenant_id} changed faster than it could be opened.", tenant=self._tenant_id
            )

    def _current_view(self, catalogue: Catalogue, head: tuple[str, int]) -> View | None:
        """The stores of this generation; None when a writer was faster.

        Clean-up after the next commit removes rows and files that this generation still needs. So a view counts only if the
        generation was still the newest after its stores had been opened: from then on, what they hold cannot be taken away.
        """
        view = self._view
        if view is not None and view.head == head:
            return view
        try:
            view = self._opened(catalogue, head)
        except (StoreUnavailableError, IndexMismatchError):
            if self._newest() == head:
                raise
            return None
        if self._newest() != head:
            return None
        self._view = view
        return view

    def _opened(self, catalogue: Catalogue, head: tuple[str, int]) -> View:
        meta = catalogue.meta()
        spaces: dict[str, Space] = {space.kind: space for space in catalogue.spaces() if space.state == "active"}
        names = {space.name for space in spaces.values()}
        opened: dict[str, list[Any]] = {"dense": [], "sparse": [], "facets": []}
        made_with, lexicon = meta.get("lexicon_sparse", ""), meta["lexicon"]
        lexical = self._stores.lexical(self._tenant_id, made_with).reader(lexicon)
        segments = {f"{each.file} {each.sha256}": each for each in catalogue.segments() if each.space in names}
        self._open = {key: self._open.get(key) or open_segment(self._files, each) for key, each in segments.items()}
        for key, segment in segments.items():
            opened[segment.kind].append(self._open[key])
        selection = Selection(opened["facets"])
        dense = DenseReader(opened["dense"], selection)
        served = self._stores.sparse_reader(self._tenant_id, made_with, lexicon) if made_with else None
        sparse = served or ImpactReader(opened["sparse"], selection)
        on_server = frozenset(["bm25", *(["sparse"] if served else [])] if self._stores.lexicon_on_server else ())
        return View(head, meta | _described(spaces.get("dense")), spaces, lexical, dense, sparse, on_server)

    def _newest(self) -> tuple[str, int] | None:
        with self._stores.reading(self._tenant_id) as other:
            return other.head() if other is not None else None


def open_segment(files: SegmentFiles, segment: Segment) -> Any:
    """A segment mapped into memory.

    Raises:
        IndexMismatchError: it is missing or damaged.
    """
    path = files.open(segment.file, segment.sha256)
    opened = FORMATS[segment.kind].open(path)
    if len(opened.vids) != segment.rows:
        raise damaged(str(path), f"it holds {len(opened.vids)} rows, the catalogue says {segment.rows}")
    return opened


def _described(dense: Space | None) -> dict[str, str]:
    if dense is None:
        return {}
    return {"model": dense.model, "fingerprint": dense.fingerprint, "dimension": str(dense.dimension)}
