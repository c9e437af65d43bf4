"""R10 on a whole library: whatever one tenant reads, nothing of another is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from shipped_medkg import Medkg

from Medical_KG_rev import Platform
from Medical_KG_rev.errors import JobNotFoundError, RecordNotFoundError, UsageError
from Medical_KG_rev.index.requests import RetrieveRequest
from Medical_KG_rev.settings import EmbeddingSettings

pytestmark = pytest.mark.e2e

TENANTS = ("north", "north.2")
STUDIES = {"north": ("NCT99990001", "NCT99990002"), "north.2": ("NCT99990003", "NCT99990004")}
WORDS = ("metformin", "lactic acidosis", "surgery", "herniation", "statin", "boreal", "austral", "diabetes", "NCT99990001")


def records(tenant: str) -> list[dict[str, str]]:
    """The same ids at every tenant, each with a word that only this tenant has."""
    word = "boreal" if tenant == "north" else "austral"
    return [
        {"_id": f"r{n}", "title": f"Metformin {n}", "text": f"A {word} trial of metformin and diabetes, {n}."} for n in range(3)
    ]


@pytest.fixture(scope="module")
def platforms(tmp_path_factory: pytest.TempPathFactory, static_models: Path, samples: Path) -> Iterator[dict[str, Platform]]:
    folder = tmp_path_factory.mktemp("tenants")
    medkg = Medkg(folder / "data", static_models)
    for tenant in TENANTS:
        lines = folder / f"{tenant}.jsonl"
        lines.write_text("".join(json.dumps(row) + "\n" for row in records(tenant)), encoding="utf-8")
        studies = [samples / "clinicaltrials" / f"{study}.json" for study in STUDIES[tenant]]
        medkg("ingest", "local", lines, *studies, "--tenant", tenant, "--quiet").expect(0)
    opened = {
        tenant: Platform.open(
            data_dir=folder / "data", models_dir=static_models, tenant=tenant, embedding=EmbeddingSettings(model="static")
        )
        for tenant in TENANTS
    }
    yield opened
    for platform in opened.values():
        platform.close()


def documents_of(tenant: str) -> set[str]:
    return {f"local:{row['_id']}" for row in records(tenant)} | {f"clinicaltrials:{study}" for study in STUDIES[tenant]}


def foreign_word(tenant: str) -> str:
    return "austral" if tenant == "north" else "boreal"


QUERIES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)


@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(TENANTS), QUERIES, st.sampled_from([["bm25"], ["dense"], None]), st.booleans())
def test_r10_searches_find_documents_of_their_tenant_alone(platforms, tenant, query, legs, collapse):
    found = platforms[tenant].search(query, k=1000, legs=legs, collapse=collapse)
    answer = platforms[tenant].retrieve(RetrieveRequest(tenant_id=tenant, query=query, top_k=50))
    assert {hit.doc_id for hit in found.hits} | {document.id for document in answer.documents} <= documents_of(tenant)
    assert not any(foreign_word(tenant) in hit.text for hit in found.hits)
    assert not any(foreign_word(tenant) in document.summary for document in answer.documents)


@pytest.mark.parametrize("tenant", TENANTS)
def test_r10_every_document_can_be_read_by_its_tenant_alone(platforms, tenant):
    platform = platforms[tenant]
    for doc_id in set().union(*map(documents_of, TENANTS)):
        chunks = platform.chunks(doc_id)
        assert {chunk.tenant_id for chunk in chunks} == ({tenant} if doc_id in documents_of(tenant) else set())
        if doc_id in documents_of(tenant):
            shown = platform.show(doc_id).text
            assert foreign_word(tenant) not in shown
            assert all(shown[chunk.start : chunk.end] == chunk.text for chunk in chunks)
        else:
            with pytest.raises(RecordNotFoundError):
                platform.show(doc_id)


@pytest.mark.parametrize("tenant", TENANTS)
def test_r10_graphs_and_jobs_are_of_one_tenant(platforms, tenant):
    platform = platforms[tenant]
    assert platform.graph.stats().documents == len(documents_of(tenant))
    rows = platform.graph.query("MATCH (d:Document) RETURN d.document_id").rows
    assert {row[0] for row in rows} == documents_of(tenant)
    for entity in {*WORDS, *documents_of(TENANTS[0]), *documents_of(TENANTS[1])}:
        found = platform.graph.show(entity).entity
        claims = [*found.claims_out, *found.claims_in] if found is not None else []
        assert {evidence.doc_id for claim in claims for evidence in claim.evidence} <= documents_of(tenant)
        assert {mention.doc_id for mention in (found.mentions if found is not None else ())} <= documents_of(tenant)
    assert {job.doc_id for job in platform.jobs(limit=1000)} == documents_of(tenant)
    other = next(platforms[name] for name in TENANTS if name != tenant)
    for job in other.jobs(limit=1000):
        with pytest.raises(JobNotFoundError):
            platform.job(job.job_id)


def test_r10_a_request_for_another_tenant_is_refused(platforms):
    with pytest.raises(UsageError, match=r"for tenant 'north\.2'"):
        platforms["north"].retrieve(RetrieveRequest(tenant_id="north.2", query="metformin"))
