"""Stored documents: finding the one that is live, and removing one from every store."""

from __future__ import annotations

from typing import Any

from Medical_KG_rev.errors import RecordNotFoundError
from Medical_KG_rev.models import Document
from Medical_KG_rev.orchestration.artifacts import delete_artifacts, read_artifact
from Medical_KG_rev.orchestration.ledger import Ledger
from Medical_KG_rev.orchestration.products import DOCUMENT
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.storage import ObjectStore


def stored_document(ledger: Ledger, store: ObjectStore, tenant_id: str, doc_id: str) -> Document:
    """The content of the last job that completed for this document. Raises RecordNotFoundError."""
    job = ledger.last_completed(tenant_id, doc_id)
    rows = [row for row in ledger.artifacts_of_document(tenant_id, doc_id) if job and row.digest == job.content_digest]
    if not rows:
        raise RecordNotFoundError(
            f"Tenant {tenant_id} has no document {doc_id!r}.",
            remedy="`medkg jobs list` shows the documents there are; ids look like clinicaltrials:NCT04267848.",
            doc_id=doc_id,
        )
    document: Document = read_artifact(store, rows[-1], DOCUMENT)
    return document


def delete_document(parts: PlatformParts, tenant_id: str, doc_id: str) -> dict[str, Any]:
    """Removes the document from index, graph and object store; ``removed`` counts what each of them held."""
    job_ids = [job.job_id for job in parts.ledger.jobs_of_document(tenant_id, doc_id)]
    return {
        "doc_id": doc_id,
        "removed": {
            "index_chunks": parts.index_writer.delete(tenant_id, doc_id),
            "graph_nodes": parts.graph.delete(tenant_id, doc_id),
            "artifacts": delete_artifacts(parts.store, parts.ledger, tenant_id, doc_id, job_ids),
        },
    }
