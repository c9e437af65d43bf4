"""Where the indexes of all tenants lie: what writers and readers are given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from Medical_KG_rev.index.catalogue import Catalogue, first_rows
from Medical_KG_rev.index.catalogue_database import SqliteDatabase
from Medical_KG_rev.index.disk import make_folder, writing
from Medical_KG_rev.index.lexical import TantivyStore
from Medical_KG_rev.index.locking import exclusive
from Medical_KG_rev.index.naming import tenant_name
from Medical_KG_rev.index.ports import LexicalStore, SegmentFiles, SparseReader
from Medical_KG_rev.index.segment_files import FolderFiles

Step = Callable[[str], None]


def nothing(_step: str) -> None:
    """Nobody is told how far a write has come."""


class IndexStores(Protocol):
    """Catalogue, lexicons, segment files and write lock of each tenant."""

    lexicon_on_server: bool
    """Whether lexicons lie on a server: they hold sparse vectors as well, clear away their dead rows by themselves, and go on
    being read by name."""

    def lock(self, tenant_id: str, timeout_seconds: float) -> AbstractContextManager[None]:
        """Holds the tenant's write lock. Raises StoreUnavailableError: it was not free in time."""
        ...

    def writing(self, tenant_id: str) -> AbstractContextManager[Catalogue]:
        """The catalogue for the holder of the lock, made where there is none."""
        ...

    def reading(self, tenant_id: str) -> AbstractContextManager[Catalogue | None]:
        """The catalogue for one query; None where there is no index."""
        ...

    def lexical(self, tenant_id: str, sparse: str = "") -> LexicalStore:
        """The lexicons whose sparse vectors come from the model with that fingerprint (none: they hold none)."""
        ...

    def sparse_reader(self, tenant_id: str, sparse: str, lexicon: str) -> SparseReader | None:
        """What searches the sparse vectors of a lexicon; None where they are searched in segments."""
        ...

    def files(self, tenant_id: str, step: Step = nothing) -> SegmentFiles: ...

    def close(self) -> None:
        """Closes the connections that no query is using."""
        ...


def tenant_folder(root: Path, tenant_id: str) -> Path:
    """The folder of a tenant's embedded index."""
    return root / tenant_name(tenant_id)


@dataclass(frozen=True)
class Paths:
    """What lies where in a tenant's folder."""

    folder: Path

    @property
    def catalogue(self) -> Path:
        return self.folder / "catalogue.db"

    @property
    def lexicons(self) -> Path:
        return self.folder / "lexicons"

    @property
    def segments(self) -> Path:
        return self.folder / "segments"

    @property
    def lock(self) -> Path:
        return self.folder / "write.lock"


class EmbeddedStores:
    """A folder a tenant under ``root``: SQLite, tantivy, files. Connections of readers stay open from query to query."""

    lexicon_on_server = False

    def __init__(self, root: Path) -> None:
        self._root = root
        self._guard = threading.Lock()
        self._idle: dict[str, tuple[tuple[int, int], list[Catalogue]]] = {}

    def paths(self, tenant_id: str) -> Paths:
        return Paths(tenant_folder(self._root, tenant_id))

    @contextmanager
    def lock(self, tenant_id: str, timeout_seconds: float) -> Iterator[None]:
        paths = self.paths(tenant_id)
        with writing(paths.folder):
            make_folder(paths.folder)
        with exclusive(paths.lock, timeout_seconds):
            yield

    @contextmanager
    def writing(self, tenant_id: str) -> Iterator[Catalogue]:
        catalogue = Catalogue(SqliteDatabase(self.paths(tenant_id).catalogue, first_rows(tenant_id)))
        try:
            catalogue.check_schema()
            yield catalogue
        finally:
            catalogue.close()

    @contextmanager
    def reading(self, tenant_id: str) -> Iterator[Catalogue | None]:
        path = self.paths(tenant_id).catalogue
        try:
            status = path.stat()
        except FileNotFoundError:
            yield None
            return
        file = (status.st_dev, status.st_ino)
        catalogue = self._take(tenant_id, file) or self._open(path)
        try:
            yield catalogue
        finally:
            self._give_back(tenant_id, file, catalogue)

    def lexical(self, tenant_id: str, sparse: str = "") -> LexicalStore:  # noqa: ARG002  (they hold none)
        return TantivyStore(self.paths(tenant_id).lexicons)

    def sparse_reader(self, tenant_id: str, sparse: str, lexicon: str) -> None:
        """Sparse vectors are searched in segments."""

    def files(self, tenant_id: str, step: Step = nothing) -> SegmentFiles:
        return FolderFiles(self.paths(tenant_id).segments, step)

    def close(self) -> None:
        with self._guard:
            for _, catalogues in self._idle.values():
                while catalogues:
                    catalogues.pop().close()

    @staticmethod
    def _open(path: Path) -> Catalogue:
        catalogue = Catalogue(SqliteDatabase(path, read_only=True))
        try:
            catalogue.check_schema()
        except BaseException:
            catalogue.close()
            raise
        return catalogue

    def _take(self, tenant_id: str, file: tuple[int, int]) -> Catalogue | None:
        """An open connection to this very file; those to one that it replaced are closed."""
        with self._guard:
            known, catalogues = self._idle.setdefault(tenant_id, (file, []))
            if known != file:
                for catalogue in catalogues:
                    catalogue.close()
                self._idle[tenant_id] = (file, [])
                return None
            return catalogues.pop() if catalogues else None

    def _give_back(self, tenant_id: str, file: tuple[int, int], catalogue: Catalogue) -> None:
        with self._guard:
            known, catalogues = self._idle.get(tenant_id, (None, []))
            if known == file:
                catalogues.append(catalogue)
                return
        catalogue.close()


def as_stores(place: Path | IndexStores) -> IndexStores:
    """A folder stands for the embedded stores in it."""
    return EmbeddedStores(place) if isinstance(place, Path) else place
