"""Real records: whatever is extracted is quoted exactly, grounded among the entities, unique, and the same every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from Medical_KG_rev.extraction import PREDICATES, RecordExtractor
from Medical_KG_rev.models import Claim, Document, Entity, RawPayload, StageContext
from Medical_KG_rev.parsing import ctgov, jats, openalex

pytestmark = pytest.mark.component

PARSED_AT = datetime(2026, 1, 2, tzinfo=UTC)
CTX = StageContext(tenant_id="t")
SOURCES = {
    "clinicaltrials": ("ctgov/studies/*.json", "ctgov-json", ctgov.parse),
    "openalex": ("openalex/works/*.json", "openalex-json", openalex.parse),
    "jats": ("jats/*.xml", "jats-xml", jats.parse),
}


def documents(test_data: Path, source: str) -> Iterator[Document]:
    pattern, form, parse = SOURCES[source]
    for path in sorted(test_data.glob(pattern))[: 40 if source == "jats" else None]:
        payload = RawPayload(source="local", source_id=path.name, format=form, content=path.read_bytes())
        yield parse(payload, parsed_at=PARSED_AT)


def check(document: Document, entities: list[Entity], claims: list[Claim]) -> None:
    ids = {entity.id for entity in entities}
    assert document.doc_id in ids
    assert len(ids) == len(entities)
    assert len({claim.id for claim in claims}) == len(claims)
    spans = [span for entity in entities for span in entity.mentions] + [span for claim in claims for span in claim.evidence]
    for span in spans:
        assert span.doc_id == document.doc_id
        assert span.start < span.end
        assert document.text[span.start : span.end] == span.text
    for claim in claims:
        assert claim.evidence
        assert claim.predicate in PREDICATES
        assert claim.subject_id in ids
        assert (claim.object_id in ids) if claim.object_id else claim.value
    supported = {end for claim in claims for end in (claim.subject_id, claim.object_id)} | {document.doc_id}
    assert all(entity.mentions or entity.id in supported for entity in entities)


@pytest.mark.parametrize("source", SOURCES)
def test_extraction_conforms(test_data: Path, source: str) -> None:
    extractor = RecordExtractor()
    predicates: Counter[str] = Counter()
    for document in documents(test_data, source):
        entities, claims = extractor.execute(CTX, document)
        check(document, entities, claims)
        assert (entities, claims) == extractor.execute(CTX, document)
        predicates.update(claim.predicate for claim in claims)
    assert predicates.total() > 1_000


def test_conditions_are_mostly_grounded(test_data: Path) -> None:
    """Every MeSH term of a study is there, and the names that are variants of one are one with it."""
    found = [RecordExtractor().execute(CTX, document) for document in documents(test_data, "clinicaltrials")]
    diseases = [entity for entities, _ in found for entity in entities if entity.type == "disease"]
    assert sum(entity.id.startswith("MESH:") for entity in diseases) > 0.55 * len(diseases)
