"""The schema: what it refuses, what is made from it, and rows that arrive as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Medical_KG_rev.errors import GraphConstraintError
from Medical_KG_rev.graph import EngineLimits, GraphWriter, LadybugGraphStore, violations
from Medical_KG_rev.graph.batch import Edge, GraphBatch
from Medical_KG_rev.graph.schema import SCHEMA_VERSION, GraphSchema, Property, graph_schema, ladybug_statements
from Medical_KG_rev.graph.schema_check import schema_violations
from Medical_KG_rev.graph.session import writing
from Medical_KG_rev.graph.staging import FEW_ROWS
from Medical_KG_rev.models import StageContext
from Medical_KG_rev.testing.graph import TENANT, study

pytestmark = pytest.mark.component


def batch() -> GraphBatch:
    return GraphBatch.build(["x:1"], {"x:1": "1"}, *study("x:1"))


def test_the_version_is_the_files() -> None:
    assert graph_schema().version == SCHEMA_VERSION


def test_everything_that_a_write_makes_obeys_it() -> None:
    made = batch()
    assert list(schema_violations(made)) == []
    assert {*made.nodes, "Entity", "Assertion"} == set(graph_schema().nodes)
    assert {*made.edges, "RELATED_TO"} == set(graph_schema().relationships)


BROKEN: dict[str, tuple[str, str, Any]] = {
    "Claim.predicate.form": ("x:1#tested", "predicate", "biolink:frobnicates"),
    "Claim.score.bounds": ("x:1#tested", "score", 1.5),
    "Claim.score.type": ("x:1#tested", "score", "high"),
    "Claim.negated.type": ("x:1#tested", "negated", 1),
    "Claim.certainty.values": ("x:1#tested", "certainty", "perhaps"),
    "Claim.method.required": ("x:1#tested", "method", ""),
}


@pytest.mark.parametrize("constraint", BROKEN)
def test_a_broken_row_is_named_with_its_constraint(constraint: str) -> None:
    made = batch()
    key, name, value = BROKEN[constraint]
    made.nodes["Claim"][key][name] = value
    [found] = schema_violations(made)
    assert (found.doc_id, found.constraint, found.row[name]) == ("x:1", constraint, value)
    assert key in found.reason
    assert msgspec.json.encode(found.to_dict())


@pytest.mark.parametrize("name", ["SUPPORTS", "GENERATED_BY", "SUBJECT", "DERIVED_FROM", "FROM_SOURCE"])
def test_provenance_must_be_there(name: str) -> None:
    made = batch()
    made.edges[name].clear()
    found = list(schema_violations(made))
    assert {violation.doc_id for violation in found} == {"x:1"}
    assert {violation.constraint.partition(".")[0] for violation in found} == {name}
    assert " has no " in found[0].reason


def test_two_subjects_are_one_too_many() -> None:
    made = batch()
    made.edges["SUBJECT"].append(Edge("x:1#tested", "x:1", "x:1"))
    [found] = schema_violations(made)
    assert (found.constraint, "has 2 Entity by SUBJECT, and needs exactly one" in found.reason) == ("SUBJECT.each_from", True)


def test_receipt_and_error_say_which_row_breaks_what(tmp_path: Path) -> None:
    entities, claims = study("x:1")
    bad = [msgspec.structs.replace(claims[0], score=float("inf")), claims[1]]
    writer, good = GraphWriter(LadybugGraphStore(tmp_path)), study("x:2")
    context = StageContext(TENANT, documents=("x:1", "x:2"), versions={"x:1": "1", "x:2": "1"})
    receipt = writer.execute(context, [*entities, *good[0]], [*bad, *good[1]])
    [left_out] = receipt.violations
    assert (left_out.doc_id, left_out.constraint) == ("x:1", "Claim.score.bounds")
    with pytest.raises(GraphConstraintError) as refusal:
        writer.execute(StageContext(TENANT, documents=("x:1",), versions={"x:1": "1"}), entities, bad)
    [told] = refusal.value.violations
    assert (told["constraint"], told["row"]["claim_id"], told["row"]["score"]) == ("Claim.score.bounds", "x:1#tested", "inf")


def test_violations_are_told_once() -> None:
    entities, claims = study("x:1")
    found = violations(["x:1"], entities, [msgspec.structs.replace(claim, evidence=()) for claim in claims])
    assert [violation.constraint for violation in found] == ["SUPPORTS.each_to"] * 2


def test_a_schema_that_contradicts_itself_is_refused() -> None:
    known = msgspec.to_builtins(graph_schema())
    for change in (
        {"nodes": {"A": {"key": "id", "properties": {}}}},
        {"relationships": {"R": {"from": "Entity", "to": "Nothing"}}},
    ):
        with pytest.raises(msgspec.ValidationError, match=r"none of its properties|unknown label"):
            msgspec.convert({**known, **change}, GraphSchema)


TEXT = st.text(max_size=30) | st.sampled_from(
    ["", "\\", '"', "\\N", "\r\n", "\n", ",", "=", "NULL", "[]", "\ufeff", "'", 'a\\"b', "\x00"]
)
COLUMNS = {
    "id": Property("string", required=True),
    "name": Property("string"),
    "words": Property("strings"),
    "n": Property("integer"),
    "s": Property("number", required=True),
    "b": Property("boolean", required=True),
}
WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x1f"), min_size=1, max_size=8), max_size=3)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.none() | TEXT,
            "words": WORDS,
            "n": st.none() | st.integers(-(2**63), 2**63 - 1),
            "s": st.floats(allow_nan=False, allow_infinity=False),
            "b": st.booleans(),
        }
    ),
    min_size=1,
    max_size=20,
)


def test_rows_arrive_as_they_were_by_either_way(tmp_path: Path) -> None:
    taken = iter(range(1_000_000))
    with writing(tmp_path / "rows", EngineLimits()) as session:
        session.rows("CREATE NODE TABLE T(id STRING PRIMARY KEY, name STRING, words STRING[], n INT64, s DOUBLE, b BOOLEAN)")

        @settings(max_examples=30, deadline=None)
        @given(ROWS, st.booleans())
        def check(drawn: list[dict[str, Any]], many: bool) -> None:
            rows = [{"id": str(next(taken)), **row} for row in drawn]
            filler = [{**rows[0], "id": str(next(taken))} for _ in range(FEW_ROWS if many else 0)]
            session.put(COLUMNS, rows + filler, f"CREATE (:T {{{', '.join(f'{name}: c_{name}' for name in COLUMNS)}}})")
            query = f"MATCH (t:T {{id: $r}}) RETURN {', '.join(f't.{name}' for name in COLUMNS)}"
            assert session.for_each(query, [row["id"] for row in rows]) == [[row[name] for name in COLUMNS] for row in rows]

        check()


def test_tables_are_made_from_it() -> None:
    statements = "\n".join(ladybug_statements(graph_schema()))
    assert "CREATE NODE TABLE Source(source_id STRING, PRIMARY KEY(source_id))" in statements
    assert "CREATE REL TABLE SUPPORTS(FROM Evidence TO Claim)" in statements
