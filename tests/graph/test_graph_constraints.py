"""Constraints before the write: each broken one is named and laid to its document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import GraphConstraintError
from Medical_KG_rev.graph import GraphWriter, LadybugGraphStore, violations
from Medical_KG_rev.graph.constraints import is_curie, is_predicate
from Medical_KG_rev.models import Claim, Entity, EntityType, Evidence, Mention, StageContext
from Medical_KG_rev.orchestration.stages.contracts import KGStage
from Medical_KG_rev.testing.graph import METFORMIN, study

pytestmark = pytest.mark.component
TENANT = "t"


def context(*doc_ids: str) -> StageContext:
    return StageContext(TENANT, documents=doc_ids, versions=dict.fromkeys(doc_ids, "1"))


@pytest.fixture
def store(tmp_path: Path) -> LadybugGraphStore:
    return LadybugGraphStore(tmp_path)


def _claim(**changes: Any) -> list[Claim]:
    claims = study("x:1")[1]
    return [msgspec.structs.replace(claims[0], **changes), claims[1]]


def _entities(**changes: Any) -> list[Entity]:
    entities = study("x:1")[0]
    return [entities[0], msgspec.structs.replace(entities[1], **changes), entities[2]]


QUOTE = Evidence(doc_id="x:1", start=0, end=3, text="abc")

BROKEN_CLAIMS = {
    "unknown predicate": _claim(predicate="biolink:frobnicates"),
    "has no Evidence by SUPPORTS, and needs at least one": _claim(evidence=()),
    "unknown entity MESH:D0": _claim(object_id="MESH:D0"),
    "neither an object nor a value": _claim(object_id=None),
    "evidence from x:2": _claim(evidence=(msgspec.structs.replace(QUOTE, doc_id="x:2"),)),
    "has the span 5:5": _claim(evidence=(msgspec.structs.replace(QUOTE, start=5, end=5),)),
    "quotes 3 characters": _claim(evidence=(msgspec.structs.replace(QUOTE, end=9),)),
    "score nan is not from 0 to 1": _claim(score=float("nan")),
}
BROKEN_ENTITIES = {
    "is not a CURIE": _entities(id="metformin"),
    "has no name": _entities(name=" "),
    "which is not part of the call": _entities(mentions=(Mention(doc_id="x:9", start=0, end=1, text="m"),)),
}


@pytest.mark.parametrize("reason", BROKEN_CLAIMS)
def test_a_broken_claim_is_refused(reason: str, store: LadybugGraphStore) -> None:
    with pytest.raises(GraphConstraintError, match=reason) as refusal:
        GraphWriter(store).execute(context("x:1"), study("x:1")[0], BROKEN_CLAIMS[reason])
    assert refusal.value.violations
    assert store.live_versions(TENANT, ["x:1"]) == {}


@pytest.mark.parametrize("reason", BROKEN_ENTITIES)
def test_a_broken_entity_is_refused(reason: str, store: LadybugGraphStore) -> None:
    with pytest.raises(GraphConstraintError, match=reason):
        GraphWriter(store).execute(context("x:1"), BROKEN_ENTITIES[reason], [])


def test_one_bad_document_never_stops_the_others(store: LadybugGraphStore) -> None:
    good, bad = study("x:2"), study("x:1")
    only = Mention(doc_id="x:1", start=0, end=1, text="o")
    secret = Entity(id="MESH:D77", type=EntityType.GENE, name="Only here", mentions=(only,))
    receipt = GraphWriter(store).execute(context("x:1", "x:2"), [*bad[0], secret, *good[0]], [*_claim(evidence=()), *good[1]])
    assert (receipt.per_document["x:2"].status, receipt.per_document["x:1"].status) == ("written", "failed")
    assert receipt.per_document["x:1"].code == "graph_constraint_broken"
    assert "has no Evidence" in receipt.per_document["x:1"].message
    assert store.live_versions(TENANT, ["x:1", "x:2"]) == {"x:2": "1"}
    assert store.show(TENANT, "MESH:D77").entity is None
    found = store.show(TENANT, METFORMIN).entity
    assert found is not None
    assert [mention.doc_id for mention in found.mentions] == ["x:2"]


def test_a_claim_may_point_at_what_the_graph_holds(store: LadybugGraphStore) -> None:
    writer = GraphWriter(store)
    writer.execute(context("x:1"), *study("x:1"))
    claim = Claim(
        id="x:2#1",
        doc_id="x:2",
        subject_id="x:2",
        predicate="biolink:treats",
        object_id=METFORMIN,
        evidence=(Evidence(doc_id="x:2", start=0, end=3, text="abc"),),
    )
    writer.execute(context("x:2"), [Entity(id="x:2", type=EntityType.TEXT, name="Note")], [claim])
    found = store.show(TENANT, METFORMIN).entity
    assert found is not None
    assert found.claims_in_total == 1


def test_a_document_without_entities_is_live(store: LadybugGraphStore) -> None:
    receipt = GraphWriter(store).execute(context("x:1"), [], [])
    assert receipt.per_document["x:1"].status == "written"
    assert store.live_versions(TENANT, ["x:1"]) == {"x:1": "1"}


def test_an_entity_without_support_is_refused(store: LadybugGraphStore) -> None:
    stray = Entity(id="MESH:D1", type=EntityType.GENE, name="Stray")
    with pytest.raises(GraphConstraintError, match="nothing supports entity MESH:D1"):
        GraphWriter(store).execute(context("x:1", "x:2"), [stray], [])


def test_a_claim_id_belongs_to_one_document() -> None:
    claims = [*study("x:1")[1], msgspec.structs.replace(study("x:2")[1][0], id="x:1#tested")]
    found = violations(["x:1", "x:2"], [*study("x:1")[0], *study("x:2")[0]], claims)
    assert [(violation.doc_id, violation.reason) for violation in found] == [("x:2", "claim x:1#tested belongs to x:1")]


def test_the_writer_has_the_shape_of_the_stage(store: LadybugGraphStore) -> None:
    writer = GraphWriter(store)
    assert isinstance(writer, KGStage)
    assert "schema-2" in writer.fingerprint


CURIES = {"MESH:D008687": True, "clinicaltrials:NCT04267848": True, "a:b:c/d#e": True}
NOT_CURIES = dict.fromkeys(("MESH:", ":x", "a:b c", "x", "a:" + "b" * 600, "", "1:2"), False)


@pytest.mark.parametrize(("text", "valid"), [*CURIES.items(), *NOT_CURIES.items()])
def test_curies(text: str, valid: bool) -> None:
    assert is_curie(text) is valid


def test_predicates_come_from_biolink_or_are_our_own() -> None:
    assert is_predicate("biolink:treats")
    assert is_predicate("MK:has_arm")
    assert not is_predicate("biolink:has_arm")
    assert not is_predicate("treats")
    assert not is_predicate("MK:Has Arm")


@given(st.permutations(["x:1", "x:2", "x:3"]), st.sets(st.sampled_from(["x:1", "x:2", "x:3"])))
def test_only_the_guilty_documents_are_named(order: list[str], guilty: set[str]) -> None:
    entities, claims = [], []
    for doc_id in order:
        found = study(doc_id)
        entities += found[0]
        claims += [msgspec.structs.replace(c, evidence=()) if doc_id in guilty else c for c in found[1]]
    assert {violation.doc_id for violation in violations(order, entities, claims)} == guilty
