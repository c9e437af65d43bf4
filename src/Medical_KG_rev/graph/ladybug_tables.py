"""The tables of a LadybugDB graph: made when it is empty, brought up to date when they are older, checked otherwise."""

from __future__ import annotations

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.graph import ladybug_write
from Medical_KG_rev.graph.ladybug_upgrade import TABLES_OF_1, drop_tables, read_schema_1
from Medical_KG_rev.graph.schema import graph_schema, ladybug_statements
from Medical_KG_rev.graph.session import GraphSession


def is_outdated(session: GraphSession) -> bool:
    """Whether an older version of the software wrote this graph, and :func:`ensure_tables` can bring it up to date."""
    return _tables(session) == TABLES_OF_1


def ensure_tables(session: GraphSession) -> None:
    """Makes the tables in an empty database; rewrites one of schema 1. The session is on a private copy.

    Raises:
        IndexMismatchError: there are tables of another schema.
    """
    schema = graph_schema()
    tables, expected = _tables(session), {*schema.nodes, *schema.relationships}
    if tables == expected:
        return
    if tables not in (frozenset(), TABLES_OF_1):
        raise IndexMismatchError(
            "The graph was made by another version of the software.",
            remedy="Move the tenant's graph.lbug away and ingest again.",
            expected=sorted(expected),
            found=sorted(tables),
        )
    held = read_schema_1(session) if tables else None
    if held is not None:
        drop_tables(session)
    for statement in ladybug_statements(schema):
        session.rows(statement)
    if held is not None:
        ladybug_write.write(session, held)


def _tables(session: GraphSession) -> frozenset[str]:
    return frozenset(name for (name,) in session.rows("CALL show_tables() RETURN name"))
