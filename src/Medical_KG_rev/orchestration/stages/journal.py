"""What a stage did, gathered and written to the ledger in groups, with the events that tell of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from Medical_KG_rev.errors import EmptyOutputError, MedicalKGError, RecordNotFoundError
from Medical_KG_rev.failures import UNEXPECTED, event_reason, failure_mark
from Medical_KG_rev.models import Outcome
from Medical_KG_rev.models.pdf import STORED_FORMAT
from Medical_KG_rev.orchestration.artifacts import ArtifactPart
from Medical_KG_rev.orchestration.batch import BatchState, DocumentState
from Medical_KG_rev.orchestration.events.model import Event, EventSubject
from Medical_KG_rev.orchestration.ledger import ArtifactRow, DeadLetter, JobStatus, Ledger, StageAttempt
from Medical_KG_rev.orchestration.ledger.dead_letters import causes_of
from Medical_KG_rev.orchestration.ledger.gate_arrivals import Arrival
from Medical_KG_rev.orchestration.ledger.pdf_queue import PARSE
from Medical_KG_rev.orchestration.ledger.subjects import job_subject
from Medical_KG_rev.orchestration.lookahead import KnownDocument
from Medical_KG_rev.orchestration.pipeline import PipelineStage
from Medical_KG_rev.orchestration.products import CHUNKS, COUNTED, DOCUMENT
from Medical_KG_rev.orchestration.resilience.retry import reason_of
from Medical_KG_rev.settings import MEBIBYTE, BatchSettings
from Medical_KG_rev.storage import ObjectStore

logger = logging.getLogger(__name__)

DocumentKey = Callable[[str, Mapping[str, Any]], str | None]
"""From a document's id and its :class:`~Medical_KG_rev.models.pdf.StoredPdf` as plain data; None where no engine is known."""
PART_BYTES = 64 * MEBIBYTE
"""An object is written at this size even if little time has passed."""
FAILURES_SHOWN = 20
ARRIVAL_SECONDS = 2.0
"""A document that came to a gate is told there after this time at the latest: what it waits for may begin."""
PROGRESS_SECONDS = 0.2


class StageJournal:
    """The records of one stage of one batch. Nothing is durable before :meth:`flush`; :meth:`finish` flushes the rest.

    Args:
        attempts: the number of the attempt that each job makes, by job id.
        document_key: the key of the artifact that reading a document's PDF would give.

    Attributes:
        durations: status → seconds, one a document: its own time, or its share of a call for many.
        retries: code of the error → further attempts made.
        ended: status and seconds since submission of each job whose way ended here.
    """

    def __init__(
        self,
        batch: BatchState,
        stage: PipelineStage,
        ledger: Ledger,
        store: ObjectStore,
        settings: BatchSettings,
        clock: Callable[[], float],
        worker: str,
        progress: Callable[[str, int, int, int], None] | None,
        attempts: Mapping[str, int],
        document_key: DocumentKey,
    ) -> None:
        self.completed = self.skipped = self.failed = self.outputs = 0
        self.failures: list[tuple[str, str]] = []
        self.durations: dict[str, list[float]] = {}
        self.retries: Counter[str] = Counter()
        self.ended: list[tuple[str, float]] = []
        self._batch = batch
        self._stage = stage
        self._ledger = ledger
        self._store = store
        self._settings = settings
        self._clock = clock
        self._worker = worker
        self._progress = progress
        self._numbers = attempts
        self._document_key = document_key
        self._total = sum(1 for _ in batch.alive())
        self._working: Sequence[DocumentState] = ()
        self._started = clock()
        self._part = self._new_part()
        self._attempts: list[StageAttempt] = []
        self._changes: dict[str, dict[str, Any]] = {}
        self._events: list[Event] = []
        self._letters: list[DeadLetter] = []
        self._arrivals: list[Arrival] = []
        self._last_flush = self._last_progress = self._started

    # --- calls -------------------------------------------------------------------------------------------------------

    def begin(self, documents: Sequence[DocumentState], started: float | None = None) -> None:
        """A call for these documents starts, or has started at that time."""
        self._working = documents
        self._started = self._clock() if started is None else started

    def retrying(self, _attempt: int, backoff_seconds: float, error: BaseException) -> None:
        """The call, or a request in it, failed in a way that may pass, and is made again after a pause."""
        reason = event_reason(error)
        self.retries[reason_of(error)] += 1
        for document in self._working:
            before = document.retries.get(self._stage.name, 0)
            document.retries[self._stage.name] = before + 1
            counts = dict(document.job.retry_count_per_stage)
            for stage, count in document.retries.items():
                counts[stage] = counts.get(stage, 0) + count
            self._change(document, retry_count_per_stage=counts)
            self._events.append(
                self._ledger.events.stage_retrying(
                    self._subject(document),
                    self._stage.name,
                    attempt=self._number(document),
                    attempt_number=before + 1,
                    backoff_ms=backoff_seconds * 1000,
                    reason=reason,
                    time=self._clock(),
                )
            )

    # --- outcomes ----------------------------------------------------------------------------------------------------

    def skip(self, document: DocumentState, row: ArtifactRow) -> None:
        """The artifact was there already."""
        self._adopt_counts(document, row)
        self._batch.keep(document, self._stage.name, row)
        self.skipped += 1
        self._come_to_gate(document)
        self._note(document, "skipped", self._clock(), output_count=sum(row.counts.values()))

    def skip_effect(self, document: DocumentState) -> None:
        """The store holds exactly this version already."""
        document.passed.add(self._stage.name)
        self.skipped += 1
        self._come_to_gate(document)
        self._note(document, "skipped", self._clock())

    def complete(self, document: DocumentState, made: Any, *, key: str, given: Any = None, finished: float | None = None) -> None:
        """The stage made something by ``finished``, or now, which becomes an artifact.

        Raises:
            EmptyOutputError: there are no chunks of a document with text.
        """
        product = self._stage.kind.makes
        assert product is not None  # noqa: S101 - only stages that make something come here
        if product is CHUNKS and not made:
            raise EmptyOutputError(
                f"No chunk came of {document.name}, though it has text.", stage=self._stage.name, doc_id=document.doc_id
            )
        if product is DOCUMENT:
            document.doc_id = made.doc_id
            self._change(document, doc_id=made.doc_id)
        source = self._stage.input_from
        if made is given and source is not None:
            row = self._part.share(document.outputs[source], key=key, stage=self._stage.name)
        else:
            row = self._part.add(product, made, key=key, stage=self._stage.name, doc_id=document.doc_id)
        document.worked = True
        self._adopt_counts(document, row)
        self._batch.keep(document, self._stage.name, row, made)
        self.completed += 1
        self._come_to_gate(document)
        self._note(document, "completed", self._started, finished, output_count=sum(row.counts.values()))

    def complete_effect(self, document: DocumentState, outcome: Outcome) -> None:
        """The store answered for this document."""
        if outcome.status == "failed":
            causes = [{"type": "Outcome", "code": outcome.code, "message": outcome.message}]
            self._record_failure(document, outcome.code, outcome.message, outcome.code, causes)
            return
        document.worked = document.worked or outcome.status == "written"
        document.passed.add(self._stage.name)
        self.completed += 1
        self._come_to_gate(document)
        self._note(document, "completed", self._started, output_count=outcome.count)

    def not_found(self, document: DocumentState, source: str) -> None:
        """The source does not know the id."""
        error = RecordNotFoundError(f"{source} has no record {document.job.source_id}.", remedy="Check the id.", source=source)
        self.fail(document, error)

    def fail(self, document: DocumentState, error: BaseException) -> None:
        """The document's way ends here."""
        if not isinstance(error, MedicalKGError):
            logger.error("stage %s failed for %s", self._stage.name, document.name, exc_info=error)
        code = error.code if isinstance(error, MedicalKGError) else UNEXPECTED
        message = str(error) if isinstance(error, MedicalKGError) else f"{type(error).__name__}: {error}"
        self._record_failure(document, code, message, event_reason(error), causes_of(error))

    def leave_unchanged(self, document: DocumentState, known: KnownDocument) -> None:
        """Every later stage would find nothing to do."""
        document.doc_id = known.doc_id
        document.counts.update({name: known.counts.get(name, 0) for name in COUNTED})
        self._change(document, doc_id=known.doc_id, content_digest=known.content_digest, **document.counts)
        self._end(document, unchanged=True)

    def supersede(self, superseded: Sequence[tuple[DocumentState, str]]) -> None:
        """Records of a document of which the batch has a later one end here."""
        for document, by in superseded:
            self._change(document, superseded_by=by)
            self._end(document, unchanged=False)
        if superseded:
            self.flush()

    # --- writing -----------------------------------------------------------------------------------------------------

    def flush(self, *, last: bool = False) -> None:
        """Makes everything so far durable: first the bytes, then the rows, in one transaction."""
        rows = self._part.write()
        if last or rows or self._attempts or self._changes or self._events:
            self._ledger.stages.record(
                self._batch.lease,
                self._stage.name,
                attempts=self._attempts,
                outputs=rows,
                changes=self._changes,
                events=self._events,
                letters=self._letters,
                arrivals=self._arrivals,
                last=last,
            )
        self._part = self._new_part()
        self._attempts, self._changes, self._events, self._letters, self._arrivals = [], {}, [], [], []
        self._last_flush = self._clock()

    def finish(self) -> None:
        """The stage is over: documents that passed everything are completed; those before a gate have come to it."""
        ends = self._batch.pipeline.ends
        for document in list(self._batch.alive()):
            if ends <= document.passed and self._batch.pipeline.gate is None:
                self._end(document, unchanged=not document.worked)
        self.flush(last=True)
        self._tell_progress()

    def _end(self, document: DocumentState, *, unchanged: bool) -> None:
        document.alive = False
        self._change(document, status=JobStatus.COMPLETED, unchanged=unchanged, current_stage=None)
        now = self._clock()
        seconds = now - document.job.created_at - document.job.gate_seconds
        self.ended.append(("unchanged" if unchanged else "completed", seconds))
        subject, occurrence, factory = self._subject(document), document.job.round, self._ledger.events
        if unchanged:
            self._events.append(factory.job_unchanged(subject, duration_ms=seconds * 1000, occurrence=occurrence, time=now))
        else:
            self._events.append(
                factory.job_completed(subject, duration_ms=seconds * 1000, **document.counts, occurrence=occurrence, time=now)
            )

    def _come_to_gate(self, document: DocumentState) -> None:
        """One that has passed all stages before a gate waits there, from the next flush on."""
        gate = self._batch.pipeline.gate
        if gate is None or not self._batch.pipeline.ends <= document.passed:
            return
        document.alive = False
        stored, is_forced = self._stored_pdf(document)
        doc_id = document.doc_id or f"{document.job.source}:{document.job.source_id}"
        known = self._document_key(doc_id, stored) if stored is not None and not is_forced else None
        self._arrivals.append(Arrival(job=document.job, rule=gate, doc_id=doc_id, stored=stored, document_key=known))

    def _stored_pdf(self, document: DocumentState) -> tuple[dict[str, Any] | None, bool]:
        """What the document brought for an engine to read, and whether somebody asked for it to be brought or read anew."""
        stage = next((each for each in self._batch.pipeline.stages if each.type == "download"), None)
        if stage is None:
            return None, False
        payloads = self._batch.output_of(document, stage)
        found = [payload.content for payload in payloads if payload.format == STORED_FORMAT]
        is_forced = document.job.from_stage == PARSE or self._batch.is_forced(document, stage)
        return msgspec.json.decode(found[0]) if found else None, is_forced

    def _new_part(self) -> ArtifactPart:
        prefix = f"{self._batch.batch_id}/{self._stage.name}"
        return ArtifactPart(self._store, self._batch.tenant_id, prefix, self._clock)

    def _change(self, document: DocumentState, **values: Any) -> None:
        self._changes.setdefault(document.job.job_id, {}).update(values)

    def _subject(self, document: DocumentState) -> EventSubject:
        return job_subject(document.job, self._batch.batch_id, document.doc_id)

    def _number(self, document: DocumentState) -> int:
        return self._numbers.get(document.job.job_id, 1)

    def _adopt_counts(self, document: DocumentState, row: ArtifactRow) -> None:
        if document.doc_id is None and row.doc_id is not None:
            document.doc_id = row.doc_id
            self._change(document, doc_id=row.doc_id)
        if self._stage.kind.makes is DOCUMENT:
            self._change(document, content_digest=row.digest)
        counts = {name: n for name, n in row.counts.items() if name in COUNTED}
        if counts:
            document.counts.update(counts)
            self._change(document, **counts)

    def _record_failure(
        self, document: DocumentState, code: str, message: str, reason: str, causes: Sequence[Mapping[str, Any]]
    ) -> None:
        document.alive = False
        self.failed += 1
        if len(self.failures) < FAILURES_SHOWN:
            self.failures.append((document.name, f"{code}: {message}"))
        stage, now = self._stage.name, self._clock()
        self.ended.append(("failed", now - document.job.created_at - document.job.gate_seconds))
        mark = failure_mark(self._stage.type, code)
        self._change(
            document, status=JobStatus.FAILED, error_stage=stage, error_code=code, error_message=message, failure_mark=mark
        )
        self._note(document, "failed", self._started, reason=reason, error_code=code, error_message=message)
        self._events.append(
            self._ledger.events.job_failed(
                self._subject(document), stage=stage, code=code, message=message, occurrence=document.job.round, time=now
            )
        )
        self._letters.append(self._letter(document, code, message, causes, now))

    def _letter(
        self, document: DocumentState, code: str, message: str, causes: Sequence[Mapping[str, Any]], now: float
    ) -> DeadLetter:
        row = self._input_of(document)
        job = document.job
        return DeadLetter(
            job_id=job.job_id,
            tenant_id=job.tenant_id,
            doc_id=document.doc_id,
            source=job.source,
            source_id=job.source_id,
            pipeline_name=job.pipeline_name,
            stage=self._stage.name,
            error_code=code,
            error_message=message,
            causes=causes,
            artifact={"stage": row.stage, "key": row.key, "object": row.object_key, "digest": row.digest} if row else None,
            first_at=now,
            last_at=now,
        )

    def _input_of(self, document: DocumentState) -> ArtifactRow | None:
        source = self._stage.input_from
        return document.outputs.get(source) if source else None

    def _note(
        self,
        document: DocumentState,
        status: str,
        started: float,
        finished: float | None = None,
        *,
        reason: str = "",
        **details: Any,
    ) -> None:
        now = self._clock()
        finished = now if finished is None else finished
        share = len(self._working) if status == "completed" and self._working else 1
        seconds = (finished - started) / share
        self.durations.setdefault(status, []).append(seconds)
        self.outputs += details.get("output_count") or 0
        row = self._input_of(document)
        self._attempts.append(
            StageAttempt(
                job_id=document.job.job_id,
                stage=self._stage.name,
                attempt=self._number(document),
                status=status,
                started_at=started,
                finished_at=finished,
                input_digest=row.digest if row else None,
                worker=self._worker,
                run_id=self._batch.run_id,
                **details,
            )
        )
        self._events.append(self._outcome_event(document, status, seconds, finished, reason, details))
        waited = ARRIVAL_SECONDS if self._arrivals else self._settings.flush_seconds
        if now - self._last_flush >= min(waited, self._settings.flush_seconds) or self._part.size_bytes >= PART_BYTES:
            self.flush()
        if now - self._last_progress >= PROGRESS_SECONDS:
            self._tell_progress()

    def _outcome_event(
        self, document: DocumentState, status: str, seconds: float, now: float, reason: str, details: Mapping[str, Any]
    ) -> Event:
        subject, stage, number = self._subject(document), self._stage.name, self._number(document)
        retries = document.retries.get(stage, 0)
        if status == "failed":
            return self._ledger.events.stage_failed(
                subject,
                stage,
                attempt=number,
                code=details["error_code"],
                message=details["error_message"],
                retry_count=retries,
                reason=reason,
                time=now,
            )
        return self._ledger.events.stage_completed(
            subject,
            stage,
            attempt=number,
            duration_ms=seconds * 1000,
            output_count=details.get("output_count"),
            gpu_used=status == "completed" and self._stage.uses_gpu,
            retry_count=retries,
            skipped=status == "skipped",
            time=now,
        )

    def _tell_progress(self) -> None:
        self._last_progress = self._clock()
        if self._progress is not None:
            done = self.completed + self.skipped + self.failed
            self._progress(self._stage.name, done, self._total, self.failed)
