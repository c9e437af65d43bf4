"""The same documents give the same answers from Neo4j and from LadybugDB: counts, views, neighbours, ways, and all records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.extraction import RecordExtractor
from Medical_KG_rev.graph import GraphStore, LadybugGraphStore
from Medical_KG_rev.graph.neo4j import Neo4jConnection, Neo4jGraphStore
from Medical_KG_rev.models import Document, RawPayload, StageContext
from Medical_KG_rev.parsing import ctgov, jats
from Medical_KG_rev.settings_neo4j import Neo4jSettings
from Medical_KG_rev.testing.graph import TENANT

pytestmark = pytest.mark.service

SLICE = 8
HUBS = "MATCH (n:Entity)-[r:RELATED_TO]-(m:Entity) RETURN n.entity_id, count(*) AS links ORDER BY links DESC, n.entity_id LIMIT 4"
QUESTIONS = (
    "MATCH (c:Claim)-[:SUBJECT]->(s:Entity) RETURN s.type, c.predicate, count(*) AS n ORDER BY n DESC, s.type, c.predicate",
    "MATCH (v:Evidence)-[:SUPPORTS]->(c:Claim)-[:OBJECT]->(o:Entity) RETURN DISTINCT o.name, v.text ORDER BY o.name, v.text",
    "MATCH (d:Document) RETURN d ORDER BY d.document_id",
    HUBS,
)


def documents(folder: Path, studies: str, articles: str) -> Iterator[Document]:
    for pattern, form, parse in ((studies, "ctgov-json", ctgov.parse), (articles, "jats-xml", jats.parse)):
        for path in sorted(folder.glob(pattern))[:12]:
            payload = RawPayload(source="local", source_id=path.name, format=form, content=path.read_bytes())
            yield parse(payload, parsed_at=datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture(params=["samples", "real"])
def corpus(request: pytest.FixtureRequest) -> list[Document]:
    if request.param == "samples":
        samples = Path(str(resources.files("Medical_KG_rev") / "samples" / "corpus"))
        return list(documents(samples, "clinicaltrials/*.json", "jats/*.xml"))
    return list(documents(request.getfixturevalue("test_data"), "ctgov/studies/*.json", "jats/*.xml"))


@pytest.fixture
def neo4j(neo4j_database: dict[str, str]) -> Iterator[Neo4jGraphStore]:
    connection = Neo4jConnection(Neo4jSettings(url=neo4j_database["MK_NEO4J__URL"], single_tenant=True))
    yield Neo4jGraphStore(connection)
    connection.close()


def fill(store: GraphStore, corpus: list[Document]) -> None:
    """Writes all, one of them twice, takes one out and withdraws another."""
    extracted = [RecordExtractor().execute(StageContext(tenant_id=TENANT), document) for document in corpus]
    for start in [*range(0, len(corpus), SLICE), 0]:
        ids = [document.doc_id for document in corpus[start : start + SLICE]]
        parts = extracted[start : start + SLICE]
        entities = [entity for found, _ in parts for entity in found]
        claims = [claim for _, found in parts for claim in found]
        store.write(TENANT, ids, dict.fromkeys(ids, "1"), entities, claims, activity="records-1")
    store.delete(TENANT, corpus[1].doc_id)
    store.delete(TENANT, corpus[2].doc_id, purge=False)


def views(store: GraphStore, hubs: Iterable[str]) -> dict[str, Any]:
    first, *others = hubs
    return {
        "stats": {**store.stats(TENANT).to_dict(), "size_bytes": 0},
        "shown": [store.show(TENANT, hub).to_dict() for hub in (first, *others)],
        "neighbours": [neighbour.to_dict() for hub in (first, *others) for neighbour in store.neighbours(TENANT, hub, hops=2)],
        "ways": [way.to_dict() for other in others for way in store.path(TENANT, first, other)],
        "around": [record.to_dict() for record in store.dump(TENANT, entity=others[-1])],
        "rows": [store.query(TENANT, question).to_dict()["rows"] for question in QUESTIONS],
    }


def test_both_stores_answer_alike(corpus: list[Document], neo4j: Neo4jGraphStore, tmp_path: Path) -> None:
    ladybug = LadybugGraphStore(tmp_path)
    for store in (ladybug, neo4j):
        fill(store, corpus)
    hubs = [row[0] for row in ladybug.query(TENANT, HUBS).rows]
    here, there = views(ladybug, hubs), views(neo4j, hubs)
    for name, expected in here.items():
        assert there[name] == expected, name
        assert expected, name
    records = list(ladybug.dump(TENANT))
    assert list(neo4j.dump(TENANT)) == records
    assert len(records) > 300
