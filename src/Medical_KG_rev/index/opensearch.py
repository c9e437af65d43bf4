"""The lexical and the learned sparse leg on OpenSearch: one document a row, holding our own tokens and term weights.

What a writer has added stays on the server until it is removed, committed or not, and readers see what is there now: the
catalogue decides what can be found.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import IndexMismatchError, StoreUnavailableError
from Medical_KG_rev.index.filters import EVERYTHING, Filter
from Medical_KG_rev.index.opensearch_client import Body, OpenSearchConnection, missing
from Medical_KG_rev.index.opensearch_rows import TenantRows
from Medical_KG_rev.index.opensearch_schema import FIRST, Layout
from Medical_KG_rev.index.ports import MAX_QUERY_TERMS, Row, Scored
from Medical_KG_rev.models import SparseVector

_MAX_SPARSE_TERMS = 128
"""The heaviest; the server allows 1,024 clauses, and the others weigh next to nothing."""
_MAX_WEIGHT = 64.0
"""The server takes no higher ones."""


class OpenSearchStore:
    """The lexicons of one tenant on a server. Processes and threads may share it."""

    def __init__(self, connection: OpenSearchConnection, layout: Layout) -> None:
        self._connection = connection
        self._layout = layout

    def writer(self, name: str) -> OpenSearchWriter:
        """Opens a lexicon for writing, making its index where there is none.

        Raises:
            IndexMismatchError: the index was made by another version, with another model, or by hand.
        """
        alias = self._layout.alias(name)
        if not self._exists(alias):
            self._make(alias)
        return OpenSearchWriter(self._rows(name))

    def reader(self, name: str) -> OpenSearchReader:
        """The lexical leg. Asks the server for nothing before the first search, so that a server that is down fails one leg."""
        return OpenSearchReader(cache(lambda: self._opened(name)))

    def sparse_reader(self, name: str) -> OpenSearchSparseReader:
        """The learned sparse leg, opened as :meth:`reader` opens the other."""
        return OpenSearchSparseReader(cache(lambda: self._opened(name)))

    def vids(self, name: str) -> NDArray[np.int64]:
        """The vids of all rows, staged ones included, ascending. Raises IndexMismatchError as searches do."""
        rows = self._opened(name)
        rows.refresh()
        return np.array(rows.vids(), dtype=np.int64)

    def drop(self, name: str) -> None:
        """Removes a lexicon, whatever its form; none by that name is no error."""
        alias = self._layout.alias(name)
        if not self._layout.is_shared:
            indexes = ",".join(self._indexes(alias))
            if indexes:
                self._connection.insist(
                    lambda client: client.indices.delete(index=indexes, params={"ignore_unavailable": "true"})
                )
        elif self._exists(alias):
            self._rows(name).remove_all()

    def names(self) -> list[str]:
        """The lexicons there are; in a shared index those that have a row."""
        if not self._layout.is_shared:
            found = self._connection.insist(lambda client: client.indices.get_alias(name=self._layout.aliases))
            start = len(self._layout.alias(""))
            return sorted(alias[start:] for index in found.values() for alias in index["aliases"])
        if not self._exists(self._layout.alias("")):
            return []
        rows = self._rows(None)
        rows.refresh()
        return rows.lexicons()

    def _rows(self, name: str | None) -> TenantRows:
        is_alone = not self._layout.is_shared
        return TenantRows(self._connection, self._layout.alias(name or ""), self._layout.tenant_id, name, is_alone)

    def _opened(self, name: str) -> TenantRows:
        alias = self._layout.alias(name)
        if not self._exists(alias, once=True):
            raise missing(self._connection.url, alias)
        return self._rows(name)

    def _exists(self, alias: str, *, once: bool = False) -> bool:
        """Whether there is such an index. Raises IndexMismatchError where it is not as this version makes it."""
        found = self._indexes(alias, once=once)
        self._layout.check(alias, found)
        return bool(found)

    def _indexes(self, alias: str, *, once: bool = False) -> dict[str, Body]:
        """The indexes behind an alias. A search asks for them ``once``; what a writer asks is repeated as its writing is."""
        request = self._connection.ask if once else self._connection.insist
        found: dict[str, Body] = request(
            lambda client: client.indices.get(index=alias, params={"ignore_unavailable": "true", "allow_no_indices": "true"})
        )
        return found

    def _make(self, alias: str) -> None:
        body = self._layout.creation(alias)
        try:
            self._connection.insist(lambda client: client.indices.create(index=alias + FIRST, body=body))
        except IndexMismatchError:
            # Another process made it meanwhile, or the answer to an earlier attempt was lost.
            if not self._exists(alias):
                raise


def probe(connection: OpenSearchConnection, prefix: str) -> str:
    """Writes a row to an index of its own, finds it there and removes the index; answers what server it is.

    Raises:
        StoreUnavailableError: the server does not answer, has lost shards, or does not give back what was written.
    """
    version = connection.ask(lambda client: client.info())["version"]["number"]
    health = connection.ask(lambda client: client.cluster.health())["status"]
    store = OpenSearchStore(connection, Layout(f"doctor {uuid.uuid4()}", prefix=prefix))
    try:
        writer = store.writer("probe")
        writer.add(1, [Row(1, "written by doctor", (), 0)])
        writer.commit()
        found = store.reader("probe").search(["doctor"], 10)
    finally:
        store.drop("probe")
    if health == "red" or [vid for vid, _ in found] != [1]:
        raise StoreUnavailableError(
            f"OpenSearch at {connection.url} is {health}, and gave back {len(found)} of 1 rows.",
            remedy="See its log.",
            store="opensearch",
        )
    return f"OpenSearch {version} at {connection.url} ({health})"


class OpenSearchWriter:
    """Changes to one lexicon. Every acknowledged row is durable; a commit makes sure that searches can see them all."""

    def __init__(self, rows: TenantRows) -> None:
        self._rows = rows
        self._added: dict[int, set[int]] = {}
        self._is_changed = False

    def add(self, generation: int, rows: Iterable[Row]) -> None:
        """Stores rows; raises as :meth:`OpenSearchConnection.bulk` does."""
        self._is_changed = True
        self._rows.add(generation, self._noted(self._added.setdefault(generation, set()), rows))

    def remove(self, vids: Iterable[int]) -> None:
        """Removes rows; those that are not there are no failure."""
        self._is_changed = True
        self._rows.remove(vids)

    def remove_generation(self, generation: int) -> None:
        """Removes whatever a generation has added."""
        self._rows.remove_all({"term": {"generation": generation}})
        self._added.pop(generation, None)

    def commit(self) -> None:
        """Lets searches see what was changed.

        Raises:
            StoreUnavailableError: the server does not hold all of it.
        """
        if not self._is_changed:
            return
        self._rows.refresh()
        for generation, vids in self._added.items():
            held = self._rows.count(generation)
            if held < len(vids):
                raise StoreUnavailableError(
                    f"OpenSearch holds {held:,} of the {len(vids):,} rows that generation {generation} has added.",
                    remedy="Run the same command again; if it happens again, `medkg index verify`.",
                    store="opensearch",
                )
        self._added.clear()
        self._is_changed = False

    def close(self) -> None:
        """Nothing is held open."""

    @staticmethod
    def _noted(vids: set[int], rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            vids.add(row.vid)
            yield row


class OpenSearchReader:
    """The lexical leg: BM25 over our own tokens. ``rows`` opens what is searched, at the first search."""

    def __init__(self, rows: Callable[[], TenantRows]) -> None:
        self._rows = rows

    def search(self, tokens: Sequence[str], limit: int, wanted: Filter = EVERYTHING) -> Scored:
        """As the port says.

        Raises:
            IndexMismatchError: the index is missing or has another form.
            StoreUnavailableError: the server does not answer, or not with all of it.
            ConfigurationError: it refuses the login or cannot be trusted.
        """
        if not tokens:
            return []
        counts = list(Counter(tokens).items())[:MAX_QUERY_TERMS]
        clauses = [{"term": {"tokens": {"value": token, "boost": count}}} for token, count in counts]
        return self._rows().best({"bool": {"should": clauses}}, wanted, limit)


class OpenSearchSparseReader:
    """The learned sparse leg: dot products, with the weights of rows kept to nine bits (within 0.4 %)."""

    def __init__(self, rows: Callable[[], TenantRows]) -> None:
        self._rows = rows

    def search(self, query: SparseVector, limit: int, wanted: Filter = EVERYTHING) -> Scored:
        """As the port says; of long queries the heaviest terms count. Raises as :meth:`OpenSearchReader.search` does."""
        if not len(query.terms):
            return []
        heaviest = np.argsort(-query.weights, kind="stable")[:_MAX_SPARSE_TERMS]
        scale = max(float(query.weights.max()) / _MAX_WEIGHT, 1.0)
        clauses = [
            {
                "rank_feature": {
                    "field": f"sparse.{query.terms[place]}",
                    "linear": {},
                    "boost": float(query.weights[place]) / scale,
                }
            }
            for place in heaviest
        ]
        found = self._rows().best({"bool": {"should": clauses}}, wanted, limit)
        return [(vid, score * scale) for vid, score in found]
