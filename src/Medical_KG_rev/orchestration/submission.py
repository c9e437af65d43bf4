"""From a request to jobs: the listing, page by page, each page one transaction with its cursor."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import msgspec

from Medical_KG_rev.models import Adapter, AdapterRequest, ListedRecord, ListingPage
from Medical_KG_rev.models.pdf import ASSET_FORMAT
from Medical_KG_rev.orchestration.artifacts import ArtifactPart, payload_key
from Medical_KG_rev.orchestration.ledger import Job, JobStatus, Ledger, Submission
from Medical_KG_rev.orchestration.ledger.workers import is_alive
from Medical_KG_rev.orchestration.lookahead import KnownDocument, find_unchanged
from Medical_KG_rev.orchestration.pipeline import Pipeline
from Medical_KG_rev.orchestration.products import COUNTED, PAYLOADS, payload_digest
from Medical_KG_rev.storage import ObjectStore

RESTARTED = frozenset({"local"})
"""Sources whose interrupted listing starts anew: reading files again is cheap, and they may have changed."""


class IdFactory:
    """Ids that sort by time: milliseconds since the epoch, a counter and random digits, in hexadecimal."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = 0

    def __call__(self, prefix: str) -> str:
        self._last = max(self._last + 1, int(self._clock() * 1000) << 12)
        return f"{prefix}{self._last:014x}{secrets.token_hex(3)}"


class ListedPage(msgspec.Struct, frozen=True):
    """One recorded page: the jobs to run, those already done or failed, and those that another process has."""

    queued: tuple[Job, ...]
    settled: tuple[Job, ...]
    foreign: tuple[Job, ...]
    total: int | None


@dataclass(frozen=True, slots=True)
class SubmissionParts:
    """What recording a submission needs."""

    ledger: Ledger
    store: ObjectStore
    clock: Callable[[], float]
    new_id: IdFactory
    worker: str
    max_waiting: int = 1_000_000
    """Queued jobs of a tenant at which nothing more is taken."""

    def alone(self) -> AbstractContextManager[None]:
        """Held while a submission looks for open jobs and records its own, so that two never make two jobs of one record."""
        return self.ledger.database.alone("submit")


def begin_submission(parts: SubmissionParts, request: AdapterRequest, pipeline: Pipeline, priority: int = 1) -> Submission:
    """A new submission, or the interrupted one of the same request, to be continued at its cursor.

    Raises:
        QueueSaturatedError: the tenant has too many jobs waiting, or new work is not taken at the moment.
    """
    with parts.alone():
        return _begin(parts, request, pipeline, priority)


def _begin(parts: SubmissionParts, request: AdapterRequest, pipeline: Pipeline, priority: int) -> Submission:
    digest = hashlib.sha256(msgspec.json.encode([request, pipeline.name, pipeline.version])).hexdigest()
    if request.source not in RESTARTED:
        for earlier in parts.ledger.find_submissions(request.tenant_id, request.source, request_digest=digest)[:1]:
            if not earlier.complete and not is_alive(parts.ledger, earlier.worker):
                parts.ledger.take_over_submission(earlier.submission_id, parts.worker)
                return msgspec.structs.replace(earlier, worker=parts.worker)
    parts.ledger.gates.admit(
        request.tenant_id, parts.ledger.queue.waiting(request.tenant_id, parts.max_waiting), parts.max_waiting
    )
    submission = Submission(
        submission_id=parts.new_id("b"),
        tenant_id=request.tenant_id,
        source=request.source,
        request=msgspec.to_builtins(request),
        request_digest=digest,
        pipeline_name=pipeline.name,
        pipeline_version=pipeline.version,
        worker=parts.worker,
        priority=priority,
        created_at=parts.clock(),
    )
    parts.ledger.begin_submission(submission)
    return submission


class Listing:
    """Turns the records of one submission's listing into jobs. Knows which documents it has queued so far.

    ``pdf_pipeline`` is the way of records that name a PDF, where it is another.
    """

    def __init__(
        self,
        parts: SubmissionParts,
        submission: Submission,
        pipeline: Pipeline,
        idempotency_key: str | None = None,
        pdf_pipeline: Pipeline | None = None,
    ) -> None:
        self._ledger = parts.ledger
        self._store = parts.store
        self._clock = parts.clock
        self._new_id = parts.new_id
        self._alone = parts.alone
        self._submission = submission
        self._pipeline = pipeline
        self._pdf_pipeline = pdf_pipeline or pipeline
        self._callers_key = idempotency_key
        self._position = 0
        self._queued_documents: set[str] = set()
        self._live_submissions: dict[str, bool] = {}

    def pages(self, adapter: Adapter, request: AdapterRequest) -> Iterator[ListedPage]:
        """Lists from the submission's cursor on and records each page before it is handed out."""
        earlier = self._ledger.jobs_of_submission(self._submission.submission_id) if self._submission.listed else []
        if earlier:
            self._position = max(job.position for job in earlier)
            queued = tuple(job for job in earlier if job.status == JobStatus.QUEUED)
            settled = tuple(job for job in earlier if job.terminal)
            taken = tuple(job for job in earlier if job not in queued and job not in settled)
            self._queued_documents.update(job.doc_id for job in queued if job.doc_id)
            yield ListedPage(queued, settled, taken, self._submission.total)
        for page in adapter.list_records(request, self._submission.cursor):
            with self._alone():
                recorded = self._record(page)
            yield recorded

    def _record(self, page: ListingPage) -> ListedPage:
        """Writes the page's jobs, payloads and cursor in one transaction."""
        records = page.records
        keys = [self._key(record) for record in records]
        matched = self._match(keys)
        unchanged = self._unchanged(records)
        part = ArtifactPart(self._store, self._submission.tenant_id, f"{self._submission.submission_id}/payload", self._clock)
        new: list[Job] = []
        adopted: list[Job] = []
        foreign: list[Job] = []
        for index, (record, key) in enumerate(zip(records, keys, strict=True)):
            open_job = matched.pop(key, None)
            if open_job is not None and not self._may_adopt(open_job):
                foreign.append(open_job)
                continue
            if open_job is not None:
                job = msgspec.structs.replace(open_job, position=self._next_position(), batch_id=None)
                adopted.append(job)
            else:
                job = self._new_job(record, key, unchanged.get(index))
                new.append(job)
            if job.status == JobStatus.QUEUED and record.payload is not None:
                part.add(PAYLOADS, [record.payload], key=payload_key(job.job_id), stage="ingest", doc_id=record.doc_id)
        self._ledger.record_page(
            self._submission.submission_id,
            new=new,
            adopted=adopted,
            payloads=part.write(),
            cursor=page.next_cursor,
            total=page.total,
            complete=page.next_cursor is None,
        )
        jobs = sorted([*new, *adopted], key=lambda job: job.position)
        return ListedPage(
            tuple(job for job in jobs if job.status == JobStatus.QUEUED),
            tuple(job for job in jobs if job.status != JobStatus.QUEUED),
            tuple(foreign),
            page.total,
        )

    def _match(self, keys: Sequence[str]) -> dict[str, Job]:
        """Open jobs of other submissions that stand for these records.

        Those of interrupted submissions are adopted; those that another process has are left to it.
        """
        found = self._ledger.open_jobs(self._submission.tenant_id, keys)
        return {key: job for key, job in found.items() if job.submission_id != self._submission.submission_id}

    def _may_adopt(self, job: Job) -> bool:
        if job.status != JobStatus.QUEUED:
            return False
        if job.submission_id not in self._live_submissions:
            owner = self._ledger.submission(job.submission_id).worker
            self._live_submissions[job.submission_id] = owner != self._submission.worker and is_alive(self._ledger, owner)
        return not self._live_submissions[job.submission_id]

    def _unchanged(self, records: Sequence[ListedRecord]) -> dict[int, KnownDocument]:
        """Records whose document is live in every store already, unless an earlier record of it is still to be run."""
        digests = {
            str(index): payload_digest([record.payload])
            for index, record in enumerate(records)
            if record.payload is not None and self._pipeline_of(record) is self._pipeline
        }
        known = find_unchanged(self._pipeline, self._ledger, self._submission.tenant_id, digests)
        found: dict[int, KnownDocument] = {}
        for index, record in enumerate(records):
            document = known.get(str(index))
            if document is not None and document.doc_id not in self._queued_documents:
                found[index] = document
            elif record.doc_id is not None:
                self._queued_documents.add(record.doc_id)
        return found

    def _new_job(self, record: ListedRecord, key: str, known: KnownDocument | None) -> Job:
        now, pipeline = self._clock(), self._pipeline_of(record)
        job = Job(
            job_id=self._new_id("j"),
            tenant_id=self._submission.tenant_id,
            submission_id=self._submission.submission_id,
            position=self._next_position(),
            source=self._submission.source,
            source_id=record.source_id,
            doc_id=record.doc_id,
            pipeline_name=pipeline.name,
            pipeline_version=pipeline.version,
            idempotency_key=key,
            key_is_callers=self._callers_key is not None,
            priority=self._submission.priority,
            created_at=now,
            updated_at=now,
        )
        if record.error is not None:
            return msgspec.structs.replace(
                job,
                status=JobStatus.FAILED,
                error_stage=pipeline.stages[0].name,
                error_code=record.error.code,
                error_message=record.error.message,
            )
        if known is not None:
            return msgspec.structs.replace(
                job,
                status=JobStatus.COMPLETED,
                doc_id=known.doc_id,
                content_digest=known.content_digest,
                unchanged=True,
                **{name: known.counts.get(name, 0) for name in COUNTED},
            )
        return job

    def _key(self, record: ListedRecord) -> str:
        parts = [self._submission.tenant_id, self._pipeline_of(record).name, self._submission.source, record.source_id]
        if self._callers_key is not None:
            parts.append(self._callers_key)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _pipeline_of(self, record: ListedRecord) -> Pipeline:
        is_pdf = record.payload is not None and record.payload.format == ASSET_FORMAT
        return self._pdf_pipeline if is_pdf else self._pipeline

    def _next_position(self) -> int:
        self._position += 1
        return self._position
