"""The reading side of one tenant's index: whole generations, seen through one catalogue snapshot at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import IndexMismatchError, StoreUnavailableError
from Medical_KG_rev.index.catalogue import Catalogue
from Medical_KG_rev.index.filters import EVERYTHING, Filter
from Medical_KG_rev.index.lexical import TantivyStore
from Medical_KG_rev.index.ports import LexicalReader, LexicalStore, Scored, VectorReader, VectorStore
from Medical_KG_rev.index.tenant import Paths
from Medical_KG_rev.index.vectors import FaissStore
from Medical_KG_rev.models import Chunk

_ATTEMPTS = 100
"""A view is taken again when a writer commits while it is being opened. That takes a few milliseconds, a commit many more."""
_SPARE = 1.1
_GROWTH = 4


@dataclass(frozen=True)
class View:
    """The stores as opened for one generation. They stay as they are, whatever is written later."""

    generation: int
    meta: dict[str, str]
    lexical: LexicalReader
    vectors: VectorReader


class Snapshot:
    """One generation of one tenant for the length of one query. May be used by several threads."""

    def __init__(self, catalogue: Catalogue, view: View) -> None:
        self._catalogue = catalogue
        self._guard = threading.Lock()
        self._view = view
        self.meta = view.meta

    @property
    def generation(self) -> int:
        return self._view.generation

    def search_lexical(self, tokens: Sequence[str], depth: int, wanted: Filter = EVERYTHING) -> Scored:
        """The best ``depth`` live chunks by BM25."""
        return self._live(lambda limit: self._view.lexical.search(tokens, limit, wanted), depth)

    def search_vectors(self, vector: NDArray[np.float32], depth: int) -> Scored:
        """The best ``depth`` live chunks by inner product."""
        return self._live(lambda limit: self._view.vectors.search(vector, limit), depth)

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
    """Gives snapshots of one tenant's index. Connections and stores stay open from query to query.

    A long-lived one notices a new generation, and an index that was replaced altogether, at the next query.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = Paths(folder)
        self._lexical: LexicalStore = TantivyStore(self._paths.lexicons)
        self._vectors: VectorStore = FaissStore(self._paths.segments)
        self._guard = threading.Lock()
        self._file: tuple[int, int] | None = None
        self._idle: list[Catalogue] = []
        self._view: View | None = None

    def close(self) -> None:
        """Closes the connections that no query is using."""
        with self._guard:
            while self._idle:
                self._idle.pop().close()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot | None]:
        """The newest generation; None while there is none.

        Raises:
            StoreUnavailableError: the stores could not be opened, or changed without end while that was tried.
            IndexMismatchError: a segment is damaged.
        """
        with self._connection() as catalogue:
            if catalogue is None:
                yield None
                return
            for _ in range(_ATTEMPTS):
                with catalogue.transaction("DEFERRED"):
                    generation = catalogue.generation()
                    if generation == 0:
                        yield None
                        return
                    view = self._current_view(catalogue, generation)
                    if view is not None:
                        yield Snapshot(catalogue, view)
                        return
            raise StoreUnavailableError(
                f"The index {self._paths.folder} changed faster than it could be opened.", path=str(self._paths.folder)
            )

    @contextmanager
    def _connection(self) -> Iterator[Catalogue | None]:
        """A connection for one query; None where there is no index."""
        try:
            status = self._paths.catalogue.stat()
        except FileNotFoundError:
            yield None
            return
        file = (status.st_dev, status.st_ino)
        with self._guard:
            if file != self._file:
                self._file, self._view = file, None
                while self._idle:
                    self._idle.pop().close()
            catalogue = self._idle.pop() if self._idle else None
        catalogue = catalogue or Catalogue(self._paths.catalogue, read_only=True)
        try:
            yield catalogue
        finally:
            with self._guard:
                is_current = file == self._file
                if is_current:
                    self._idle.append(catalogue)
            if not is_current:
                catalogue.close()

    def _current_view(self, catalogue: Catalogue, generation: int) -> View | None:
        """The stores of this generation; None when a writer was faster.

        Clean-up after the next commit removes rows and files that this generation still needs. So a view counts only if the
        generation was still the newest after its stores had been opened: from then on, what they hold cannot be taken away.
        """
        view = self._view
        if view is not None and view.generation == generation:
            return view
        meta = catalogue.meta()
        try:
            view = View(generation, meta, self._lexical.reader(meta["lexicon"]), self._vectors.reader(catalogue.segments()))
        except (StoreUnavailableError, IndexMismatchError):
            if self._newest() == generation:
                raise
            return None
        if self._newest() != generation:
            return None
        self._view = view
        return view

    def _newest(self) -> int:
        with self._connection() as other:
            return other.generation() if other is not None else 0
