"""Which PDFs in the object store nothing needs any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Row, select, tuple_

from Medical_KG_rev.models import pdf_folder
from Medical_KG_rev.orchestration.ledger.schema import jobs, pdf_queue
from Medical_KG_rev.orchestration.ledger.states import TERMINAL, JobStatus

PREFIX = "pdf/"


def unneeded_pdfs(connection: Connection, keys: Iterable[str]) -> set[str]:
    """Of these keys, those of PDFs that no job of their document will read again.

    A document with a job that is on its way keeps all of them, for a file comes before the row that names it. Else the files of
    its newest job and of the last that completed are kept: they are what a retry, or reading with another engine, starts from.
    A file whose key does not say whose it is, is kept too.
    """
    by_document: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in keys:
        _, tenant_id, doc_id, *_ = [*key.split("/"), "", "", ""]
        if pdf_folder(tenant_id, doc_id) == key[: key.rfind("/") + 1]:
            by_document[tenant_id, doc_id].append(key)
    wanted = select(jobs.c.tenant_id, jobs.c.doc_id, jobs.c.job_id, jobs.c.status).where(
        tuple_(jobs.c.tenant_id, jobs.c.doc_id).in_(list(by_document))
    )
    found: dict[tuple[str, str], list[Row[tuple[str, str, str, str]]]] = defaultdict(list)
    for row in connection.execute(wanted.order_by(jobs.c.created_at, jobs.c.job_id)):
        found[row[0], row[1]].append(row)
    on_their_way = {document for document, rows in found.items() if any(row[3] not in TERMINAL for row in rows)}
    readers = [job_id for document, rows in found.items() if document not in on_their_way for job_id in _readers(rows)]
    named = set(connection.scalars(select(pdf_queue.c.object_key).where(pdf_queue.c.job_id.in_(readers))))
    settled = (keys for document, keys in by_document.items() if document not in on_their_way)
    return {key for keys in settled for key in keys} - named


def _readers(rows: Sequence[Row[tuple[str, str, str, str]]]) -> set[str]:
    """The newest job, and the last that completed."""
    completed = [row[2] for row in rows if row[3] == JobStatus.COMPLETED]
    return {rows[-1][2], *completed[-1:]}
