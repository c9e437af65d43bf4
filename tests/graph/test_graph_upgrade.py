"""A graph of schema 1 is brought up to date by whatever touches it first, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.graph import ClaimRow, EngineLimits, LadybugGraphStore
from Medical_KG_rev.graph.session import writing
from Medical_KG_rev.testing.graph import DIABETES, METFORMIN, TENANT, study, write

pytestmark = pytest.mark.component

SCHEMA_1 = """
CREATE NODE TABLE Document(document_id STRING PRIMARY KEY, source STRING, version STRING);
CREATE NODE TABLE Entity(entity_id STRING PRIMARY KEY, type STRING, name STRING, aliases STRING[], xrefs STRING[],
 attributes STRING, search_keys STRING[]);
CREATE NODE TABLE Claim(claim_id STRING PRIMARY KEY, document_id STRING, predicate STRING, value STRING, qualifiers STRING,
 score DOUBLE, negated BOOLEAN, method STRING);
CREATE NODE TABLE Evidence(evidence_id STRING PRIMARY KEY, document_id STRING, start_offset INT64, end_offset INT64, text STRING,
 section STRING, page INT64);
CREATE REL TABLE MENTIONS(FROM Document TO Entity, start_offset INT64, end_offset INT64, text STRING, score DOUBLE);
CREATE REL TABLE DESCRIBES(FROM Document TO Entity);
CREATE REL TABLE SUBJECT(FROM Claim TO Entity);
CREATE REL TABLE OBJECT(FROM Claim TO Entity);
CREATE REL TABLE SUPPORTS(FROM Evidence TO Claim);
CREATE REL TABLE DERIVED_FROM(FROM Evidence TO Document)
"""
CONTENT = """
CREATE (:Document {document_id: 'x:1', source: 'x', version: '7'});
CREATE (:Entity {entity_id: 'x:1', type: 'publication', name: 'One', aliases: [], xrefs: ['PMID:1'],
 attributes: '{"retracted":true}', search_keys: ['x:1', 'one']});
CREATE (:Entity {entity_id: 'MESH:D008687', type: 'chemical', name: 'Metformin', aliases: ['Glucophage'], xrefs: [],
 attributes: '{}', search_keys: ['mesh:d008687', 'metformin', 'glucophage']});
CREATE (:Claim {claim_id: 'a', document_id: 'x:1', predicate: 'biolink:mentions', value: NULL, qualifiers: '{}', score: 0.5,
 negated: true, method: 'rules'});
CREATE (:Claim {claim_id: 'b', document_id: 'x:1', predicate: 'MK:phase', value: '2', qualifiers: '{"unit":"x"}', score: 1.0,
 negated: false, method: 'record'});
CREATE (:Evidence {evidence_id: 'x:1@3-9', document_id: 'x:1', start_offset: 3, end_offset: 9, text: 'phrase', section: 'Methods',
 page: 2});
MATCH (d:Document), (e:Entity {entity_id: 'x:1'}) CREATE (d)-[:DESCRIBES]->(e);
MATCH (d:Document), (e:Entity {entity_id: 'MESH:D008687'})
 CREATE (d)-[:MENTIONS {start_offset: 3, end_offset: 9, text: 'phrase', score: 0.75}]->(e);
MATCH (c:Claim), (e:Entity {entity_id: 'x:1'}) CREATE (c)-[:SUBJECT]->(e);
MATCH (c:Claim {claim_id: 'a'}), (e:Entity {entity_id: 'MESH:D008687'}) CREATE (c)-[:OBJECT]->(e);
MATCH (v:Evidence), (c:Claim) CREATE (v)-[:SUPPORTS]->(c);
MATCH (v:Evidence), (d:Document) CREATE (v)-[:DERIVED_FROM]->(d)
"""


@pytest.fixture
def store(tmp_path: Path) -> LadybugGraphStore:
    make(tmp_path, SCHEMA_1 + ";" + CONTENT)
    return LadybugGraphStore(tmp_path)


def make(root: Path, statements: str) -> None:
    (root / TENANT).mkdir()
    with writing(root / TENANT / "graph.lbug", EngineLimits()) as session:
        for statement in statements.split(";"):
            session.rows(statement)
        session.rows("CHECKPOINT")


FIRST: dict[str, Callable[[LadybugGraphStore], Any]] = {
    "live_versions": lambda store: store.live_versions(TENANT, ["x:1"]),
    "show": lambda store: store.show(TENANT, "metformin"),
    "stats": lambda store: store.stats(TENANT),
    "dump": lambda store: list(store.dump(TENANT)),
    "neighbours": lambda store: store.neighbours(TENANT, METFORMIN),
    "write": lambda store: write(store, ["x:2"]),
}


@pytest.mark.parametrize("first", FIRST)
def test_whatever_comes_first_brings_it_up_to_date(first: str, store: LadybugGraphStore, tmp_path: Path) -> None:
    assert FIRST[first](store)
    assert store.live_versions(TENANT, ["x:1"]) == {"x:1": "7"}
    view = store.show(TENANT, "glucophage").entity
    assert view is not None
    assert (view.mentions[0].start, view.mentions[0].score, view.mentions[0].text) == (3, 0.75, "phrase")
    assert [(row.belief_against, row.claims_retracted) for row in view.assertions if row.subject.id == "x:1"] == [(0.0, 1)]
    claims = {record.id: record for record in store.dump(TENANT) if isinstance(record, ClaimRow)}
    assert (claims["b"].value, claims["b"].qualifiers, claims["b"].evidence[0].page) == ("2", {"unit": "x"}, 2)
    assert (claims["a"].negated, claims["a"].status, claims["a"].evidence[0].section) == (True, "retracted", "Methods")
    assert sorted(path.name for path in (tmp_path / TENANT).iterdir()) == ["graph.lbug", "write.lock"]


def test_after_the_upgrade_documents_are_replaced_and_deleted_like_others(store: LadybugGraphStore) -> None:
    store.write(TENANT, ["x:1"], {"x:1": "8"}, *study("x:1"))
    assert store.show(TENANT, DIABETES).entity is not None
    assert store.stats(TENANT).claims == 2
    store.delete(TENANT, "x:1")
    assert store.stats(TENANT).relationships == 0


def test_a_graph_of_a_schema_to_come_is_left_alone(tmp_path: Path) -> None:
    make(tmp_path, "CREATE NODE TABLE Document(document_id STRING PRIMARY KEY); CREATE NODE TABLE Later(id STRING PRIMARY KEY)")
    with pytest.raises(IndexMismatchError, match="another version") as refusal:
        write(LadybugGraphStore(tmp_path), ["x:1"])
    assert "ingest again" in str(refusal.value.remedy)
