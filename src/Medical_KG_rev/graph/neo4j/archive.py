"""The graphs of a Neo4j database as files, for backups: a file for each tenant, read in one moment and loaded again.

A file is gzipped JSON Lines: a head, then nodes ``[label, properties]`` and relationships ``[name, key, key, properties]``.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from Medical_KG_rev.errors import BackupError
from Medical_KG_rev.graph.neo4j.connection import Graph, Neo4jConnection, translated
from Medical_KG_rev.graph.neo4j.rows import put_edges, put_nodes
from Medical_KG_rev.graph.neo4j.schema import RESTORING, TENANT, check, migrate
from Medical_KG_rev.graph.schema import SCHEMA_VERSION, graph_schema

HOLD_SECONDS = 3600.0
"""What is held for a copy is let go after this, and the copy fails."""
ROWS_PER_TRANSACTION = 10_000
_SUFFIX = ".jsonl.gz"
_HOLD = "MATCH (g:Graph) WITH g ORDER BY g.tenant SET g.writes = g.writes RETURN g.tenant, g.schema ORDER BY g.tenant"
_TENANTS = "MATCH (g:Graph) RETURN g.tenant ORDER BY g.tenant"
_MARK = "MERGE (g:Graph {tenant: $tenant}) SET g.schema = $version, g.writes = coalesce(g.writes, 0) + 1 RETURN g.schema"

_encode = msgspec.json.Encoder().encode


class _Head(msgspec.Struct, frozen=True):
    tenant: str
    schema: int


class Neo4jArchive:
    """Copies all tenants of a database to a folder, and back."""

    def __init__(self, connection: Neo4jConnection) -> None:
        self._connection = connection

    def tenants(self) -> list[str]:
        """Those that have a graph."""
        return self._connection.read("", lambda graph: [row[0] for row in graph.rows(_TENANTS)])

    @contextmanager
    def held(self) -> Iterator[Callable[[Path], None]]:
        """Lets no writer change any graph; gives a function that copies them all to a folder.

        Raises:
            IndexMismatchError: another version of the software has written one.
        """
        connection = self._connection
        with translated(connection.settings), connection.transaction("", writes=True, timeout_seconds=HOLD_SECONDS) as graph:
            tenants = graph.rows(_HOLD)
            for tenant, version in tenants:
                check(tenant, version)
            yield lambda folder: self._copy(graph, [tenant for tenant, _ in tenants], folder)

    def load(self, folder: Path) -> None:
        """Makes the database hold what the files say, and no other tenant.

        A tenant's graph is refused to everybody from the first change of it until it is whole.

        Raises:
            BackupError: a file is damaged.
        """
        migrate(self._connection)
        files = {_head(path).tenant: path for path in sorted(folder.glob(f"*{_SUFFIX}"))}
        for tenant in sorted({*files, *self.tenants()}):
            self._connection.write(tenant, lambda graph: graph.rows(_MARK, version=RESTORING))
            self._clear(tenant)
            if tenant in files:
                self._fill(tenant, files[tenant])
            else:
                self._connection.write(tenant, lambda graph: graph.rows("MATCH (g:Graph {tenant: $tenant}) DELETE g"))

    def _copy(self, graph: Graph, tenants: list[str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number, tenant in enumerate(tenants):
            graph.tenant = tenant
            with gzip.open(folder / f"{number:05}{_SUFFIX}", "wb", compresslevel=1) as file:
                for line in chain([_Head(tenant, SCHEMA_VERSION)], _lines(graph)):
                    file.write(_encode(line) + b"\n")

    def _clear(self, tenant: str) -> None:
        for label, key in graph_schema().keys.items():
            statement = (
                f"MATCH (n:{label}) WHERE n.tenant = $tenant AND n.{key} IS NOT NULL WITH n LIMIT {ROWS_PER_TRANSACTION} "
                "DETACH DELETE n RETURN count(*)"
            )
            while self._connection.write(tenant, partial(Graph.count, statement=statement)):
                pass

    def _fill(self, tenant: str, path: Path) -> None:
        for part in _parts(path):
            self._connection.write(tenant, partial(_put, lines=part), once=True)
        self._connection.write(tenant, lambda graph: graph.rows(_MARK, version=SCHEMA_VERSION))


def _lines(graph: Graph) -> Iterator[list[Any]]:
    schema = graph_schema()
    for label, key in schema.keys.items():
        nodes = f"MATCH (n:{label}) WHERE n.tenant = $tenant AND n.{key} IS NOT NULL RETURN properties(n)"
        for (properties,) in graph.stream(nodes):
            yield [label, {name: value for name, value in properties.items() if name != TENANT}]
    for name, edge in schema.relationships.items():
        source, target = schema.keys[edge.source], schema.keys[edge.target]
        edges = (
            f"MATCH (a:{edge.source})-[e:{name}]->(b:{edge.target}) WHERE a.tenant = $tenant AND a.{source} IS NOT NULL "
            f"RETURN a.{source}, b.{target}, properties(e)"
        )
        for row in graph.stream(edges):
            yield [name, *row]


def _parts(path: Path) -> Iterator[list[list[Any]]]:
    """Lines of one label or relationship, some thousand at a time."""
    try:
        with gzip.open(path, "rb") as file:
            next(file)
            lines = (msgspec.json.decode(line) for line in file)
            for _, same in groupby(lines, key=itemgetter(0)):
                while part := list(islice(same, ROWS_PER_TRANSACTION)):
                    yield part
    except (OSError, EOFError, zlib.error, msgspec.DecodeError) as error:
        raise _damaged(path, error) from error


def _put(graph: Graph, lines: list[list[Any]]) -> None:
    name = lines[0][0]
    if name in graph_schema().nodes:
        put_nodes(graph, name, (properties for _, properties in lines))
    else:
        put_edges(graph, name, ((source, target, properties) for _, source, target, properties in lines))


def _head(path: Path) -> _Head:
    try:
        with gzip.open(path, "rb") as file:
            head = msgspec.json.decode(file.readline(), type=_Head)
    except (OSError, EOFError, zlib.error, msgspec.DecodeError) as error:
        raise _damaged(path, error) from error
    check(head.tenant, head.schema)
    return head


def _damaged(path: Path, error: Exception) -> BackupError:
    return BackupError(
        f"The backup of a graph is damaged at {path.name}: {error}. The graph is not whole.",
        remedy="Restore another backup; this one is not whole.",
        path=str(path),
    )
