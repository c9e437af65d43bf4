"""The part of the conformance kit about assertions: beliefs, neighbours, paths, passages, soft deletion and the dump."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from Medical_KG_rev.models import Certainty
from Medical_KG_rev.testing.expect import ConformanceError, expect
from Medical_KG_rev.testing.graph_samples import DIABETES, METFORMIN, TENANT, article, write, write_article

if TYPE_CHECKING:
    from Medical_KG_rev.graph import AssertionRow, GraphStore

CAUSES = "biolink:causes"
TREATS = "biolink:treats"


def drug(number: int) -> str:
    """The id of one of the kit's chemicals."""
    return f"MESH:C{number:06d}"


A, B, C, D, E = (drug(number) for number in range(5))


def assertions(store: GraphStore, tenant_id: str = TENANT) -> dict[tuple[str, str, str, str], AssertionRow]:
    """All assertions of a graph, by what they say."""
    from Medical_KG_rev.graph import AssertionRow

    rows = [record for record in store.dump(tenant_id) if isinstance(record, AssertionRow)]
    return {(row.subject.id, row.predicate, row.object.id, str(row.qualifiers.get("direction", ""))): row for row in rows}


def _near(value: float, wanted: float) -> bool:
    return abs(value - wanted) < 1e-6


def check_belief(store: GraphStore) -> None:
    """Evidence of many documents adds up to one assertion; that which denies it stands beside it."""
    promise = "an assertion must have the belief that its claims give"
    write_article(store, "x:1", (A, CAUSES, B))
    row = assertions(store)[A, CAUSES, B, ""]
    expect(_near(row.belief, 0.65) and row.belief_against == 0, f"{promise}: 1 - (0.05 + 0.3)")
    write_article(store, "x:2", (A, CAUSES, B))
    row = assertions(store)[A, CAUSES, B, ""]
    expect(_near(row.belief, 0.86) and (row.claims_for, row.documents) == (2, 2), f"{promise}: 1 - (0.05 + 0.3 * 0.3)")
    write_article(store, "x:3", (A, CAUSES, B), negated=True)
    write_article(store, "x:4", (A, CAUSES, B), certainty=Certainty.HYPOTHETICAL)
    write_article(store, "x:5", (A, CAUSES, B), certainty=Certainty.UNCERTAIN, method="rules")
    row = assertions(store)[A, CAUSES, B, ""]
    expect(_near(row.belief, 1 - 0.14 * 0.7), f"{promise}: doubt counts half, and another method multiplies")
    expect(_near(row.belief_against, 0.65), f"{promise}: what denies it is counted apart")
    expect((row.claims_for, row.claims_against, row.claims_hypothetical, row.documents) == (3, 1, 1, 4), promise)
    write_article(store, "x:6", (A, CAUSES, B), direction="increased")
    expect(len(assertions(store)) == 2, "a qualifier that changes the meaning makes another assertion")
    expect(store.stats(TENANT).assertions == 2, "assertions must be counted")


def check_belief_follows(store: GraphStore) -> None:
    """Replacing and deleting documents changes exactly the assertions that they were about."""
    promise = "beliefs must follow what is replaced and deleted"
    write_article(store, "x:1", (A, CAUSES, B), (A, TREATS, C))
    write_article(store, "x:2", (A, CAUSES, B))
    write_article(store, "x:1", (A, TREATS, C), (B, TREATS, C))
    found = assertions(store)
    expect(set(found) == {(A, CAUSES, B, ""), (A, TREATS, C, ""), (B, TREATS, C, "")}, promise)
    expect(_near(found[A, CAUSES, B, ""].belief, 0.65) and found[A, CAUSES, B, ""].documents == 1, promise)
    store.delete(TENANT, "x:2")
    expect(set(assertions(store)) == {(A, TREATS, C, ""), (B, TREATS, C, "")}, promise)
    store.delete(TENANT, "x:1")
    expect(assertions(store) == {} and store.stats(TENANT).assertions == 0, promise)
    expect(store.stats(TENANT).relationships == 0, promise)


def check_retracted(store: GraphStore) -> None:
    """What a retracted document says is marked and weighs nothing."""
    promise = "a retracted document must be marked and weigh nothing"
    write_article(store, "x:1", (A, CAUSES, B), retracted=True)
    row = assertions(store)[A, CAUSES, B, ""]
    expect((row.belief, row.claims_for, row.claims_retracted, row.documents) == (0.0, 0, 1, 0), promise)
    write_article(store, "x:2", (A, CAUSES, B))
    row = assertions(store)[A, CAUSES, B, ""]
    expect(_near(row.belief, 0.65) and row.claims_retracted == 1, promise)
    view = store.show(TENANT, A).entity
    if view is None:
        raise ConformanceError(f"{A} is not in the graph")
    expect({claim.doc_id: claim.status for claim in view.claims_out} == {"x:1": "retracted", "x:2": "live"}, promise)
    expect((store.stats(TENANT).retracted, store.stats(TENANT).documents) == (1, 2), promise)
    write_article(store, "x:1", (A, CAUSES, B))
    expect(_near(assertions(store)[A, CAUSES, B, ""].belief, 0.86), "a document that is no longer retracted counts again")


def check_show_assertions(store: GraphStore) -> None:
    """``show`` gives what all documents say together, the most believed first, and who made each claim."""
    promise = "show must give assertions, claims with their source, and how mentions are meant"
    write_article(store, "x:1", (A, CAUSES, B), (A, TREATS, C))
    write_article(store, "x:2", (D, TREATS, A))
    write_article(store, "x:3", (D, TREATS, A), negated=True, certainty=Certainty.UNCERTAIN)
    write_article(store, "x:4", (A, TREATS, C))
    view = store.show(TENANT, A.lower(), limit=2).entity
    if view is None:
        raise ConformanceError(f"{A} is not in the graph")
    expect([(row.subject.id, row.object.id) for row in view.assertions] == [(A, C), (A, B)], promise)
    expect(view.assertions_total == 3, promise)
    expect(_near(assertions(store)[D, TREATS, A, ""].belief_against, 0.3), promise)
    claim = view.claims_out[0]
    expect((claim.method, claim.activity, claim.source, claim.certainty) == ("relations", "extractor-1", "x", "stated"), promise)
    expect(claim.assertion_id in {row.id for row in assertions(store).values()}, promise)
    expect(claim.evidence[0].section == "Results", promise)
    mentions = store.show(TENANT, A).entity
    expect(mentions is not None and {m.doc_id: m.negated for m in mentions.mentions}["x:3"], promise)


def check_neighbours(store: GraphStore) -> None:
    """By hop and belief, each once, in both directions."""
    promise = "neighbours must come by hop and belief"
    write_article(store, "x:1", (A, CAUSES, B), (C, TREATS, A), (B, CAUSES, D), (C, CAUSES, E))
    write_article(store, "x:2", (C, TREATS, A), (A, TREATS, C))
    write_article(store, "x:3", (C, CAUSES, E), (B, CAUSES, C))
    found = store.neighbours(TENANT, A, hops=2)
    expect([(n.entity.id, n.hop) for n in found] == [(C, 1), (B, 1), (E, 2), (D, 2)], promise)
    expect(_near(found[0].belief, 0.86) and (found[0].subject_id, found[0].object_id) == (C, A), promise)
    expect(_near(found[2].belief, 0.86 * 0.86) and _near(found[3].belief, 0.65 * 0.65), promise)
    expect([n.entity.id for n in store.neighbours(TENANT, A, hops=2, limit=1)] == [C, E], promise)
    expect([n.entity.id for n in store.neighbours(TENANT, A)] == [C, B], promise)
    expect(store.neighbours(TENANT, drug(99)) == (), promise)


def check_path(store: GraphStore) -> None:
    """The shortest ways, the most believed first, with the words that say so."""
    promise = "path must give the shortest ways with their evidence"
    write_article(store, "x:1", (A, CAUSES, B), (B, TREATS, D), (A, CAUSES, C), (D, CAUSES, C), (D, CAUSES, E))
    write_article(store, "x:2", (A, CAUSES, C))
    found = store.path(TENANT, A, D)
    expect([[ref.id for ref in way.entities] for way in found] == [[A, C, D], [A, B, D]], promise)
    expect(_near(found[0].belief, 0.86 * 0.65), promise)
    step = found[0].steps[1]
    expect((step.subject.id, step.predicate, step.object.id) == (D, CAUSES, C), promise)
    expect({claim.doc_id for claim in found[0].steps[0].claims} == {"x:1", "x:2"}, promise)
    expect(step.claims[0].evidence[0].text == "name causes ... the name", promise)
    expect(len(store.path(TENANT, A, D, limit=1)) == 1, promise)
    expect([len(way.steps) for way in store.path(TENANT, A, E, max_hops=3)] == [3, 3], promise)
    expect(store.path(TENANT, A, E, max_hops=2) == (), promise)
    expect(store.path(TENANT, A, drug(99)) == (), promise)
    write_article(store, "x:3", (E, CAUSES, drug(7)), certainty=Certainty.HYPOTHETICAL)
    expect(store.path(TENANT, D, drug(7)) == (), "no way passes what nobody affirms")
    store.delete(TENANT, "x:1")
    expect(store.path(TENANT, A, D) == (), promise)


def check_withdrawn(store: GraphStore) -> None:
    """A soft deletion hides a document without losing it; writing it again brings it back."""
    promise = "a withdrawn document must weigh nothing, be hidden, and come back when it is written again"
    write_article(store, "x:1", (A, CAUSES, B))
    write_article(store, "x:2", (A, CAUSES, B), (A, CAUSES, C))
    expect(store.delete(TENANT, "x:2", purge=False) == 1, promise)
    expect(store.delete(TENANT, "x:9", purge=False) == 0, promise)
    expect(store.live_versions(TENANT, ["x:1", "x:2"]) == {"x:1": "1"}, promise)
    expect({(s, o): _near(row.belief, 0.65) for (s, _, o, _), row in assertions(store).items()} == {(A, B): True}, promise)
    view = store.show(TENANT, A).entity
    if view is None:
        raise ConformanceError(f"{A} is not in the graph")
    expect([m.doc_id for m in view.mentions] == ["x:1"] and view.mentions_total == 1, promise)
    expect([c.doc_id for c in view.claims_out] == ["x:1"] and view.claims_out_total == 1, promise)
    expect(view.assertions_total == 1 and [n.entity.id for n in store.neighbours(TENANT, A)] == [B], promise)
    expect(store.passages_entities(TENANT, [("x:2", 0, 200)]) == ((),), promise)
    expect(store.documents_naming(TENANT, [A]) == {"x:1"}, promise)
    stats = store.stats(TENANT)
    expect((stats.documents, stats.withdrawn, stats.claims) == (2, 1, 3), promise)
    expect(store.delete(TENANT, "x:2", purge=False) == 1, promise)
    write_article(store, "x:2", (A, CAUSES, B), (A, CAUSES, C))
    expect(_near(assertions(store)[A, CAUSES, B, ""].belief, 0.86) and len(assertions(store)) == 2, promise)
    store.delete(TENANT, "x:2", purge=False)
    expect(store.delete(TENANT, "x:2") > 1, "what is withdrawn can be purged")
    expect(store.stats(TENANT).claims == 1, promise)


def check_passages(store: GraphStore) -> None:
    """Which entities lie in a range of text, and which documents name one."""
    promise = "entities must be found by range, and documents by entity"
    write_article(store, "x:1", (A, CAUSES, B), (A, TREATS, C))
    write(store, ["x:2"])
    first, second, none = store.passages_entities(TENANT, [("x:1", 0, 110), ("x:2", 5, 25), ("x:1", 2, 4)])
    expect([(found.entity.id, len(found.mentions)) for found in first] == [(A, 2), (B, 1)], promise)
    expect([(m.start, m.end) for m in first[0].mentions] == [(0, 4), (100, 104)], promise)
    expect([(found.entity.id, found.entity.name) for found in second] == [(METFORMIN, "Metformin")] and none == (), promise)
    expect(store.documents_naming(TENANT, [C, METFORMIN]) == {"x:1", "x:2"}, promise)
    expect(store.documents_naming(TENANT, ["x:2", drug(99)]) == {"x:2"}, promise)
    expect(store.documents_naming(TENANT, []) == frozenset() and store.passages_entities(TENANT, []) == (), promise)


def check_dump(store: GraphStore) -> None:
    """Everything comes out, in order, and can be told again to another graph; or what lies around one entity."""
    promise = "a dump must hold all of the graph, sorted"
    write(store, ["x:1"])
    write_article(store, "x:2", (METFORMIN, CAUSES, A), (A, CAUSES, B), retracted=True)
    records = list(store.dump(TENANT))
    kinds = [type(record).__name__ for record in records]
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    wanted = {"DocumentRecord": 2, "EntityRecord": 6, "MentionRecord": 6, "ClaimRow": 4, "AssertionRow": 3}
    expect(counts == wanted and list(counts) == list(wanted), promise)
    ids = [getattr(record, "id", "") for record in records if type(record).__name__ == "EntityRecord"]
    expect(ids == sorted(ids), promise)
    documents: list[Any] = records[:2]
    expect(
        [(d.id, d.source, d.version, d.status) for d in documents] == [("x:1", "x", "1", "live"), ("x:2", "x", "1", "retracted")],
        promise,
    )
    around = list(store.dump(TENANT, entity=B, hops=1))
    named = [getattr(record, "id", "") for record in around if type(record).__name__ == "EntityRecord"]
    expect(named == [A, B], promise)
    claims: list[Any] = [record for record in around if type(record).__name__ == "ClaimRow"]
    expect([(c.subject.id, c.object.id, len(c.evidence)) for c in claims] == [(A, B, 1)], promise)
    expect(sum(type(record).__name__ == "AssertionRow" for record in around) == 1, promise)
    expect(list(store.dump(TENANT, entity=drug(99))) == [] and list(store.dump("nobody")) == [], promise)


def check_find(store: GraphStore) -> None:
    """By id in any case, else by name or alias."""
    promise = "find must know ids, names and aliases in any case"
    write(store, ["x:1"])
    expect([ref.id for ref in store.find(TENANT, "mesh:d008687")] == [METFORMIN], promise)
    expect([ref.name for ref in store.find(TENANT, " glucophage ")] == ["Metformin"], promise)
    expect(store.find(TENANT, "aspirin") == () and store.find("nobody", "metformin") == (), promise)


def check_knowledge_tenancy(store: GraphStore) -> None:
    """Nothing that is asked of one tenant's graph is answered from another's."""
    promise = "tenants must never meet"
    write_article(store, "x:1", (A, CAUSES, B))
    write_article(store, "x:1", (A, CAUSES, B), (B, CAUSES, C), tenant_id="tenant-b")
    write_article(store, "x:2", (A, CAUSES, B), tenant_id="tenant-b")
    expect(_near(assertions(store)[A, CAUSES, B, ""].belief, 0.65), promise)
    expect(store.path(TENANT, A, C) == () and len(store.path("tenant-b", A, C)) == 1, promise)
    expect([n.entity.id for n in store.neighbours(TENANT, B)] == [A], promise)
    expect(store.documents_naming(TENANT, [A]) == {"x:1"} and store.find(TENANT, C) == (), promise)
    expect(store.passages_entities(TENANT, [("x:2", 0, 300)]) == ((),), promise)
    store.delete("tenant-b", "x:1")
    expect(_near(assertions(store)[A, CAUSES, B, ""].belief, 0.65), promise)
    expect(store.show(TENANT, DIABETES).entity is None, promise)


def check_activity(store: GraphStore) -> None:
    """Provenance can be asked for in Cypher, in the labels of the schema."""
    write_article(store, "x:1", (A, CAUSES, B))
    store.write(TENANT, ["x:1"], {"x:1": "2"}, *article("x:1", (A, CAUSES, B)), activity="extractor-2")
    found = store.query(TENANT, "MATCH (c:Claim)-[:GENERATED_BY]->(a:Activity) RETURN a.activity_id, a.method, a.version")
    expect(found.rows == (("relations@extractor-2", "relations", "extractor-2"),), "the graph must know what made a claim")
    left = store.query(TENANT, "MATCH (a:Activity) RETURN count(*)")
    expect(left.rows == ((1,),), "an activity that made nothing that is left must go")
    place = store.query(
        TENANT,
        "MATCH (v:Evidence)-[:IN_SECTION]->(s:Section)-[:PART_OF_DOCUMENT]->(d:Document)-[:FROM_SOURCE]->(o:Source) "
        "RETURN s.title, d.document_id, o.source_id",
    )
    expect(place.rows == (("Results", "x:1", "x"),), "evidence must lead to its section, document and source")


KNOWLEDGE_CHECKS: tuple[Callable[[GraphStore], None], ...] = (
    check_belief,
    check_belief_follows,
    check_retracted,
    check_show_assertions,
    check_neighbours,
    check_path,
    check_withdrawn,
    check_passages,
    check_dump,
    check_find,
    check_knowledge_tenancy,
    check_activity,
)
