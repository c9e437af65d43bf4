"""The tables of a LadybugDB graph: made when it is empty, checked otherwise."""

from __future__ import annotations

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.graph.schema import graph_schema, ladybug_statements
from Medical_KG_rev.graph.session import GraphSession


def ensure_tables(session: GraphSession) -> None:
    """Makes the tables in an empty database.

    Raises:
        IndexMismatchError: there are others than the schema's.
    """
    schema = graph_schema()
    tables = {name for (name,) in session.rows("CALL show_tables() RETURN name")}
    expected = {*schema.nodes, *schema.relationships}
    if not tables:
        for statement in ladybug_statements(schema):
            session.rows(statement)
    elif tables != expected:
        raise IndexMismatchError(
            "The graph was made by another version of the software.",
            remedy="Move the tenant's graph.lbug away and ingest again.",
            expected=sorted(expected),
            found=sorted(tables),
        )
