"""Indexes on servers: catalogues in PostgreSQL, lexicons in OpenSearch, segments in an object store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from Medical_KG_rev.index.catalogue import Catalogue, first_rows
from Medical_KG_rev.index.catalogue_postgres import PostgresDatabase, advisory_lock, open_engine, schema_name
from Medical_KG_rev.index.naming import tenant_name
from Medical_KG_rev.index.ports import LexicalStore, SegmentFiles, SparseReader
from Medical_KG_rev.index.segment_files import ObjectFiles, Objects
from Medical_KG_rev.index.stores import Step, nothing

if TYPE_CHECKING:
    from sqlalchemy import Engine


class ServedLexicon(LexicalStore, Protocol):
    """A lexical store that searches learned sparse vectors as well."""

    def sparse_reader(self, name: str) -> SparseReader: ...


class ServiceStores:
    """One database, one search server and one bucket for all tenants; any number of machines may write and read.

    Args:
        url: ``postgresql+psycopg2://…``.
        lexical: opens a tenant's lexicons, given the fingerprint of the model behind their sparse vectors.
        objects: where segments lie, below ``tenants/<tenant>/index/``.
        cache: a folder for copies of segments; may be removed at any time.
    """

    lexicon_on_server = True

    def __init__(
        self, url: str, lexical: Callable[[str, str], ServedLexicon], objects: Objects, cache: Path, *, pool_size: int = 4
    ) -> None:
        self._engine: Engine = open_engine(url, pool_size)
        self._lexical = lexical
        self._objects = objects
        self._cache = cache

    @contextmanager
    def lock(self, tenant_id: str, timeout_seconds: float) -> Iterator[None]:
        database = PostgresDatabase(self._engine, tenant_id)
        try:
            with advisory_lock(database, schema_name(tenant_id), timeout_seconds):
                yield
        finally:
            database.close()

    @contextmanager
    def writing(self, tenant_id: str) -> Iterator[Catalogue]:
        database = PostgresDatabase(self._engine, tenant_id)
        try:
            if not database.exists():
                database.create(first_rows(tenant_id))
            catalogue = Catalogue(database)
            catalogue.check_schema()
            yield catalogue
        finally:
            database.close()

    @contextmanager
    def reading(self, tenant_id: str) -> Iterator[Catalogue | None]:
        database = PostgresDatabase(self._engine, tenant_id)
        try:
            yield self._checked(database) if database.exists() else None
        finally:
            database.close()

    def lexical(self, tenant_id: str, sparse: str = "") -> LexicalStore:
        return self._lexical(tenant_id, sparse)

    def sparse_reader(self, tenant_id: str, sparse: str, lexicon: str) -> SparseReader | None:
        return self._lexical(tenant_id, sparse).sparse_reader(lexicon)

    def files(self, tenant_id: str, step: Step = nothing) -> SegmentFiles:
        return ObjectFiles(self._objects, f"tenants/{tenant_id}/index/", self._cache / tenant_name(tenant_id), step)

    def close(self) -> None:
        self._engine.dispose()

    @staticmethod
    def _checked(database: PostgresDatabase) -> Catalogue:
        catalogue = Catalogue(database)
        catalogue.check_schema()
        return catalogue
