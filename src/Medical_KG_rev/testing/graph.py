"""The conformance kit of graph stores: each check takes an empty store and raises ConformanceError where it falls short."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from Medical_KG_rev.errors import GraphConstraintError, QueryRefusedError
from Medical_KG_rev.models import Claim, Entity, EntityType, Evidence, Mention
from Medical_KG_rev.testing.expect import ConformanceError, expect
from Medical_KG_rev.testing.graph_knowledge import KNOWLEDGE_CHECKS
from Medical_KG_rev.testing.graph_samples import DIABETES, METFORMIN, TENANT, study, write

if TYPE_CHECKING:
    from Medical_KG_rev.graph import EntityView, GraphStore

__all__ = ["CHECKS", "DIABETES", "METFORMIN", "TENANT", "check_graph_store", "study", "write"]


def check_graph_store(make_store: Callable[[], GraphStore]) -> None:
    """Runs every check, each with a store of its own from ``make_store``."""
    for check in CHECKS:
        check(make_store())


def _entity(store: GraphStore, text: str, tenant_id: str = TENANT) -> EntityView:
    found = store.show(tenant_id, text).entity
    if found is None:
        raise ConformanceError(f"{text} is not in the graph")
    return found


def check_empty(store: GraphStore) -> None:
    """Nothing is known of a tenant that never wrote."""
    expect(store.live_versions(TENANT, ["x:1"]) == {}, "an empty graph must answer as empty")
    expect(store.existing_entities(TENANT, [METFORMIN]) == frozenset(), "an empty graph must answer as empty")
    expect(store.delete(TENANT, "x:1") == 0, "an empty graph must answer as empty")
    expect(store.show(TENANT, "metformin").entity is None, "an empty graph must answer as empty")
    expect(store.stats(TENANT).documents == 0, "an empty graph must answer as empty")
    expect(store.query(TENANT, "MATCH (n) RETURN n").rows == (), "an empty graph must answer as empty")


def check_write(store: GraphStore) -> None:
    """What was written is there, and counted."""
    receipt = write(store, ["x:1", "x:2"])
    expect(
        {doc_id: outcome.status for doc_id, outcome in receipt.per_document.items()} == {"x:1": "written", "x:2": "written"},
        "what was written must be there and counted",
    )
    expect(receipt.per_document["x:1"].count == 5, "three entities and two claims")
    expect(receipt.nodes == 2 + 4 + 4 + 4 + 4, "documents, entities, claims, evidence; a source, an activity, two sections")
    expect(
        store.live_versions(TENANT, ["x:1", "x:2", "x:3"]) == {"x:1": "1", "x:2": "1"},
        "what was written must be there and counted",
    )
    expect(store.existing_entities(TENANT, [METFORMIN, "MESH:D0"]) == {METFORMIN}, "what was written must be there and counted")
    stats = store.stats(TENANT)
    expect(
        (stats.documents, stats.entities, stats.claims, stats.evidence, stats.mentions) == (2, 4, 4, 4, 4),
        "what was written must be there and counted",
    )
    expect(
        stats.assertions == 1 and stats.relationships == receipt.relationships + 1, "what was written must be there and counted"
    )
    expect(stats.entity_types == {"study": 2, "chemical": 1, "disease": 1}, "what was written must be there and counted")
    expect(
        stats.predicates == {"MK:enrollment": 2, "biolink:in_clinical_trials_for": 2},
        "what was written must be there and counted",
    )


def check_twice(store: GraphStore) -> None:
    """Twice is as good as once."""
    write(store, ["x:1", "x:2"])
    before = store.stats(TENANT)
    write(store, ["x:1", "x:2"])
    write(store, ["x:2"])
    after = store.stats(TENANT)
    expect({**after.to_dict(), "size_bytes": 0} == {**before.to_dict(), "size_bytes": 0}, "twice is as good as once")


def check_replace(store: GraphStore) -> None:
    """A → B → A: the graph holds exactly what the last version says."""
    for version, condition, marker in (("a", DIABETES, "first"), ("b", "MESH:D003920", "second"), ("a", DIABETES, "third")):
        store.write(TENANT, ["x:1"], {"x:1": version}, *study("x:1", condition=condition, marker=marker))
        expect(store.live_versions(TENANT, ["x:1"]) == {"x:1": version}, "a new version must replace the old one")
        expect(store.stats(TENANT).entities == 3, "a new version must replace the old one")
        expect(_entity(store, "x:1").attributes["marker"] == marker, "a new version must replace the old one")
        expect(_entity(store, METFORMIN).aliases == (f"Glucophage {marker}",), "a new version must replace the old one")
        expect(_entity(store, condition).claims_in_total == 1, "a new version must replace the old one")
    expect(store.show(TENANT, "MESH:D003920").entity is None, "a new version must replace the old one")


def check_shared_entity(store: GraphStore) -> None:
    """An entity of many documents joins what they know, and outlives the deletion of one."""
    store.write(TENANT, ["x:1"], {"x:1": "1"}, *study("x:1", marker="one"))
    store.write(TENANT, ["x:2"], {"x:2": "1"}, *study("x:2", marker="two"))
    shared = _entity(store, METFORMIN)
    expect(set(shared.aliases) == {"Glucophage one", "Glucophage two"}, "a shared entity must join and outlive its documents")
    expect((shared.mentions_total, shared.claims_out_total) == (2, 2), "a shared entity must join and outlive its documents")
    expect(store.delete(TENANT, "x:1") == 7, "the document, its own entity, its section, two claims, two places of evidence")
    left = _entity(store, METFORMIN)
    expect([mention.doc_id for mention in left.mentions] == ["x:2"], "a shared entity must join and outlive its documents")
    expect([claim.doc_id for claim in left.claims_out] == ["x:2"], "a shared entity must join and outlive its documents")
    expect(store.show(TENANT, "x:1").entity is None, "a shared entity must join and outlive its documents")
    expect(store.delete(TENANT, "x:2") == 12, "a shared entity must join and outlive its documents")
    expect(store.delete(TENANT, "x:2") == 0, "a shared entity must join and outlive its documents")
    stats = store.stats(TENANT)
    expect(
        (stats.documents, stats.entities, stats.claims, stats.evidence, stats.relationships) == (0, 0, 0, 0, 0),
        "a shared entity must join and outlive its documents",
    )


def check_cited_document(store: GraphStore) -> None:
    """A work that another one cites stays known, before it is ingested and after it is deleted."""
    cited = Entity(id="x:2", type=EntityType.PUBLICATION, name="As cited", attributes={"year": 2020})
    entities, claims = study("x:1")
    evidence = (Evidence(doc_id="x:1", start=50, end=54, text="cite"),)
    claims.append(Claim(id="x:1#c", doc_id="x:1", subject_id="x:1", predicate="MK:cites", object_id="x:2", evidence=evidence))
    store.write(TENANT, ["x:1"], {"x:1": "1"}, [*entities, cited], claims)
    expect(store.live_versions(TENANT, ["x:2"]) == {}, "a cited work must stay known")
    write(store, ["x:2"])
    own = _entity(store, "x:2")
    expect((own.name, own.claims_in_total) == ("Study x:2", 1), "the document is the authority on its own entity")
    store.delete(TENANT, "x:2")
    expect(_entity(store, "x:2").claims_in_total == 1, "a cited work must stay known")


def check_show(store: GraphStore) -> None:
    """By id, name and alias in any case; a name that several share lists them."""
    from Medical_KG_rev.graph import MentionRow

    write(store, ["x:1"])
    for text in ("mesh:d008687", "METFORMIN", " glucophage "):
        expect(_entity(store, text).id == METFORMIN, "show must find by id, name and alias")
    view = _entity(store, METFORMIN)
    expect(
        view.mentions == (MentionRow(doc_id="x:1", start=10, end=19, text="metformin", score=0.5),),
        "show must find by id, name and alias",
    )
    claim = view.claims_out[0]
    if claim.object is None:
        raise ConformanceError("show must find by id, name and alias")
    expect(
        (claim.subject.id, claim.predicate, claim.object.id) == (METFORMIN, "biolink:in_clinical_trials_for", DIABETES),
        "show must find by id, name and alias",
    )
    expect(
        [(evidence.place, evidence.text) for evidence in claim.evidence] == [("x:1:10-38", "metformin in 'type 2' \"x\" \\n")],
        "show must find by id, name and alias",
    )
    value = _entity(store, "x:1").claims_out[0]
    expect(
        (value.object, value.value, value.qualifiers["unit"], len(value.evidence)) == (None, "120", "participants", 2),
        "show must find by id, name and alias",
    )
    double = [
        Entity(
            id=f"MESH:D99{n}",
            type=EntityType.DISEASE,
            name="Cold",
            mentions=(Mention(doc_id="x:3", start=0, end=4, text="cold"),),
        )
        for n in (1, 2)
    ]
    store.write(TENANT, ["x:3"], {"x:3": "1"}, double, [])
    found = store.show(TENANT, "cold")
    expect(found.entity is None, "show must find by id, name and alias")
    expect([ref.id for ref in found.candidates] == ["MESH:D991", "MESH:D992"], "show must find by id, name and alias")


def check_limits(store: GraphStore) -> None:
    """Lists are cut at the limit, totals are not."""
    write(store, [f"x:{n}" for n in range(8)])
    view = store.show(TENANT, METFORMIN, limit=3).entity
    if view is None:
        raise ConformanceError("limits must cut lists and not totals")
    expect(
        (len(view.mentions), view.mentions_total, len(view.claims_out), view.claims_out_total) == (3, 8, 3, 8),
        "limits must cut lists and not totals",
    )
    answer = store.query(TENANT, "MATCH (d:Document) RETURN d.document_id AS id ORDER BY id", limit=5)
    expect((answer.columns, len(answer.rows), answer.truncated) == (("id",), 5, True), "limits must cut lists and not totals")
    expect(not store.query(TENANT, "MATCH (d:Document) RETURN d", limit=8).truncated, "limits must cut lists and not totals")


def check_query(store: GraphStore) -> None:
    """Parameters and strings arrive as they are; nothing can be changed."""
    write(store, ["x:1"])
    by_parameter = "MATCH (v:Evidence) WHERE v.text CONTAINS $words RETURN count(v)"
    expect(
        store.query(TENANT, by_parameter, {"words": "in 'type 2' \"x\""}).rows == ((1,),),
        "strings and parameters must arrive as they are",
    )
    by_string = "MATCH (v:Evidence) WHERE v.text CONTAINS 'in \\'type 2\\' \"x\" \\\\n' RETURN count(v) // all"
    expect(store.query(TENANT, by_string).rows == ((1,),), "strings and parameters must arrive as they are")
    node = store.query(TENANT, "MATCH (d:Document) RETURN d").to_dict()["rows"][0][0]
    expect((node["document_id"], node["version"]) == ("x:1", "1"), "strings and parameters must arrive as they are")
    for refused in ("MATCH (n) DETACH DELETE n", "MATCH (n) SET n.name = 'x'", "MATCH (n", "RETURN $missing"):
        try:
            store.query(TENANT, refused)
        except QueryRefusedError:
            continue
        raise ConformanceError(f"{refused} was not refused")
    expect(store.stats(TENANT).documents == 1, "strings and parameters must arrive as they are")


def check_dangling(store: GraphStore) -> None:
    """A claim about nothing, or one that takes another document's id, is refused, and nothing of the call is written."""
    entities, claims = study("x:1")
    write(store, ["x:2"])
    before = store.stats(TENANT).to_dict()
    stolen = Claim(
        id="x:2#tested", doc_id="x:1", subject_id="x:1", predicate="MK:a", object_id=None, value="1", evidence=claims[0].evidence
    )
    for call in ((entities[:1], [*claims, msgspec.structs.replace(claims[0], object_id="MESH:D0")]), (entities, [stolen])):
        try:
            store.write(TENANT, ["x:1"], {"x:1": "1"}, *call)
        except GraphConstraintError as error:
            expect(error.violations, "a refused call must leave nothing and say why")
        else:
            raise ConformanceError("a claim that breaks a constraint was written")
    expect(store.stats(TENANT).to_dict() == before, "a refused call must leave nothing and say why")


def check_tenancy(store: GraphStore) -> None:
    """Tenants never meet."""
    write(store, ["x:1"])
    write(store, ["x:1", "x:2"], version="2", tenant_id="tenant-b")
    expect(store.live_versions(TENANT, ["x:1", "x:2"]) == {"x:1": "1"}, "tenants must never meet")
    expect(_answered(store, "MATCH (d:Document) RETURN count(*)") in (((1,),), None), "tenants must never meet")
    store.delete("tenant-b", "x:1")
    expect(store.live_versions(TENANT, ["x:1"]) == {"x:1": "1"}, "tenants must never meet")
    expect(_entity(store, METFORMIN).mentions_total == 1, "tenants must never meet")


def _answered(store: GraphStore, cypher: str) -> tuple[tuple[object, ...], ...] | None:
    """None where the store refuses raw queries of a database that holds several tenants."""
    try:
        return store.query(TENANT, cypher).rows
    except QueryRefusedError:
        return None


CHECKS: tuple[Callable[[GraphStore], None], ...] = (
    check_empty,
    check_write,
    check_twice,
    check_replace,
    check_shared_entity,
    check_cited_document,
    check_show,
    check_limits,
    check_query,
    check_dangling,
    check_tenancy,
    *KNOWLEDGE_CHECKS,
)
