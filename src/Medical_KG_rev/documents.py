"""Stored documents: finding the one that is live, and removing one from every store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from Medical_KG_rev.errors import RecordNotFoundError, UsageError
from Medical_KG_rev.models import Document, document_folder, pdf_folder
from Medical_KG_rev.orchestration.artifacts import delete_artifacts, payload_key, read_artifact
from Medical_KG_rev.orchestration.ledger import Ledger
from Medical_KG_rev.orchestration.products import DOCUMENT
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.parts.extraction import ANSWERS
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
    """Removes the document from index, graph and object store.

    The receipt's ``removed`` counts what each store held; ``rows`` and ``objects`` name what is gone for good, so that
    :func:`verify_deletion` can look for it later.
    """
    job_ids = [job.job_id for job in parts.ledger.jobs_of_document(tenant_id, doc_id)]
    payloads = parts.ledger.find_artifacts(tenant_id, [payload_key(job_id) for job_id in job_ids]).values()
    outputs = parts.ledger.artifacts_of_document(tenant_id, doc_id)
    pdfs = sorted(parts.store.keys(pdf_folder(tenant_id, doc_id)))
    answers = sorted(parts.store.keys(document_folder(ANSWERS, tenant_id, doc_id)))
    objects = sorted({row.object_key for row in (*outputs, *payloads)}) + pdfs + answers
    erased = parts.index_writer.erase(tenant_id, doc_id)
    for key in (*pdfs, *answers):
        parts.store.delete(key)
    return {
        "doc_id": doc_id,
        "tenant_id": tenant_id,
        "removed": {
            "index_chunks": erased.chunks,
            "lexicon_rows": erased.lexicon_rows,
            "segment_rows": erased.segment_rows,
            "graph_nodes": parts.graph.delete(tenant_id, doc_id),
            "artifacts": delete_artifacts(parts.store, parts.ledger, tenant_id, doc_id, job_ids),
            "pdfs": len(pdfs),
            "llm_answers": len(answers),
            "objects": len(objects),
        },
        "rows": list(erased.vids),
        "objects": objects,
    }


def verify_deletion(parts: PlatformParts, receipt: Mapping[str, Any]) -> dict[str, Any]:
    """What the stores hold of what a receipt says is gone; ``remaining`` is all zero where the deletion holds.

    A document that was ingested again since then has new rows and files: they count as ``index_chunks``, ``graph_nodes``,
    ``artifacts`` and ``pdfs``.

    Raises:
        UsageError: it is no receipt of `medkg delete`.
    """
    try:
        tenant_id, doc_id, vids, objects = (receipt[name] for name in ("tenant_id", "doc_id", "rows", "objects"))
    except (KeyError, TypeError):
        raise UsageError(
            "This is no receipt of a deletion.", remedy="Keep what `medkg delete DOC --json` writes, and give its file."
        ) from None
    found = parts.index_writer.remains(tenant_id, doc_id, vids)
    return {
        "doc_id": doc_id,
        "tenant_id": tenant_id,
        "remaining": {
            "index_chunks": found.chunks + len(found.vids),
            "lexicon_rows": found.lexicon_rows,
            "segment_rows": found.segment_rows,
            "graph_nodes": len(parts.graph.live_versions(tenant_id, [doc_id])),
            "artifacts": len(parts.ledger.artifacts_of_document(tenant_id, doc_id)),
            "pdfs": sum(1 for _ in parts.store.keys(pdf_folder(tenant_id, doc_id))),
            "llm_answers": sum(1 for _ in parts.store.keys(document_folder(ANSWERS, tenant_id, doc_id))),
            "objects": sum(1 for key in objects if key in set(parts.store.keys(key))),
        },
    }
