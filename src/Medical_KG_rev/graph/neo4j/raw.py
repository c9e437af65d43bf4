"""Raw Cypher on Neo4j: what may be asked, and its answer as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from Medical_KG_rev.errors import QueryRefusedError
from Medical_KG_rev.graph.cypher import reading_query
from Medical_KG_rev.graph.neo4j.connection import Graph, Neo4jConnection
from Medical_KG_rev.graph.neo4j.schema import OURS
from Medical_KG_rev.graph.results import QueryRows

FUNCTIONS = frozenset(
    {"abs", "acos", "allshortestpaths", "asin", "atan", "atan2", "avg", "ceil", "char_length", "coalesce", "collect"}
    | {"cos", "cot", "count", "date", "degrees", "duration", "exp", "floor", "haversin", "head", "isempty", "isnan"}
    | {"labels", "last", "left", "length", "log", "log10", "lower", "ltrim", "max", "min", "nodes", "nullif"}
    | {"percentilecont", "percentiledisc", "pi", "radians", "range", "reduce", "relationships", "replace", "reverse"}
    | {"right", "round", "rtrim", "shortestpath", "sign", "sin", "size", "split", "sqrt", "stdev", "stdevp"}
    | {"substring", "sum", "tail", "tan", "toboolean", "tobooleanlist", "tobooleanornull", "tofloat", "tofloatlist"}
    | {"tofloatornull", "tointeger", "tointegerlist", "tointegerornull", "tolower", "tostring", "tostringlist"}
    | {"tostringornull", "toupper", "trim", "type", "upper"}
)
"""Functions that only compute. Those that show the server's own ids, or a node's property ``tenant``, are left out."""

_OTHERS = "MATCH (g:Graph) WHERE g.tenant <> $tenant RETURN count(g)"
_REMEDY = (
    "MK_NEO4J__SINGLE_TENANT=true says that the database holds one tenant alone; `medkg graph show` and `medkg graph stats` "
    "keep tenants apart by themselves."
)


def ask(
    connection: Neo4jConnection, tenant: str, cypher: str, parameters: Mapping[str, Any], limit: int, timeout_seconds: float
) -> QueryRows:
    """The rows of a reading query.

    Raises:
        QueryRefusedError: the database is not one tenant's alone, or the query is outside the allow-list, is no valid Cypher,
            or took longer than the timeout.
    """
    statement = reading_query(cypher, parameters, FUNCTIONS)
    if not connection.settings.single_tenant:
        raise QueryRefusedError("Raw Cypher is refused: the Neo4j database may hold other tenants too.", remedy=_REMEDY)

    def work(graph: Graph) -> QueryRows:
        if graph.count(_OTHERS):
            raise QueryRefusedError("Raw Cypher is refused: the Neo4j database holds other tenants too.", remedy=_REMEDY)
        with _refusing(timeout_seconds):
            columns, found, more = graph.first(statement.text, statement.parameters, limit)
        return QueryRows(columns=tuple(columns), rows=tuple(tuple(map(plain, record)) for record in found), truncated=more)

    return connection.read(tenant, work, timeout_seconds=timeout_seconds)


@contextmanager
def _refusing(timeout_seconds: float) -> Iterator[None]:
    """What the server has against a query is the fault of whoever wrote it."""
    from neo4j.exceptions import Neo4jError

    try:
        yield
    except Neo4jError as error:
        code = str(error.code or "")
        if code.startswith("Neo.ClientError.Transaction.") or code.endswith("Transaction.Terminated"):
            raise QueryRefusedError(
                f"The query was stopped after {timeout_seconds:g} s.",
                remedy="Start from a node by its id, bound path lengths, or ask for less.",
            ) from error
        if "OutOfMemory" in code:
            raise QueryRefusedError("The query needs more memory than the server gives.", remedy="Ask for less.") from error
        if not code.startswith(("Neo.ClientError.Statement.", "Neo.ClientError.Procedure.")):
            raise
        reason = str(error.message or error).splitlines()[0]
        raise QueryRefusedError(
            f"The query cannot be run: {reason}", remedy="`medkg graph stats` lists what the graph holds."
        ) from error


def plain(value: Any) -> Any:
    """A value as JSON has it: ``_label`` and properties of nodes and relationships, ``_nodes`` and ``_rels`` of paths."""
    from neo4j.graph import Node, Path, Relationship

    match value:
        case Node():
            return {"_label": next(iter(value.labels), ""), **_properties(value)}
        case Relationship():
            return {"_label": value.type, **_properties(value)}
        case Path():
            return {"_nodes": [plain(node) for node in value.nodes], "_rels": [plain(step) for step in value.relationships]}
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case None | str() | int() | float():
            return value
        case _:
            return str(value)


def _properties(element: Mapping[str, Any] | Any) -> dict[str, Any]:
    return {key: plain(item) for key, item in sorted(element.items()) if key not in OURS}
