"""What a stage did, gathered and written to the ledger in groups."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from Medical_KG_rev.errors import EmptyOutputError, MedicalKGError, RecordNotFoundError
from Medical_KG_rev.models import Outcome
from Medical_KG_rev.orchestration.artifacts import ArtifactPart
from Medical_KG_rev.orchestration.batch import BatchState, DocumentState
from Medical_KG_rev.orchestration.ledger import ArtifactRow, JobStatus, Ledger, StageAttempt
from Medical_KG_rev.orchestration.lookahead import KnownDocument
from Medical_KG_rev.orchestration.pipeline import PipelineStage
from Medical_KG_rev.orchestration.products import CHUNKS, COUNTED, DOCUMENT
from Medical_KG_rev.settings import MEBIBYTE, BatchSettings
from Medical_KG_rev.storage import ObjectStore

logger = logging.getLogger(__name__)

PART_BYTES = 64 * MEBIBYTE
"""An object is written at this size even if little time has passed."""
FAILURES_SHOWN = 20
PROGRESS_SECONDS = 0.2


class StageJournal:
    """The records of one stage of one batch. Nothing is durable before :meth:`flush`; :meth:`finish` flushes the rest."""

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
    ) -> None:
        self.completed = self.skipped = self.failed = 0
        self.failures: list[tuple[str, str]] = []
        self._batch = batch
        self._stage = stage
        self._ledger = ledger
        self._store = store
        self._settings = settings
        self._clock = clock
        self._worker = worker
        self._progress = progress
        self._total = sum(1 for _ in batch.alive())
        self._numbers = ledger.attempt_numbers((doc.job.job_id for doc in batch.alive()), stage.name)
        self._part = self._new_part()
        self._attempts: list[StageAttempt] = []
        self._changes: dict[str, dict[str, Any]] = {}
        self._last_flush = self._last_progress = clock()

    # --- outcomes ----------------------------------------------------------------------------------------------------

    def skip(self, document: DocumentState, row: ArtifactRow) -> None:
        """The artifact was there already."""
        self._adopt_counts(document, row)
        self._batch.keep(document, self._stage.name, row)
        self.skipped += 1
        self._note(document, "skipped", self._clock(), output_count=sum(row.counts.values()))

    def skip_effect(self, document: DocumentState) -> None:
        """The store holds exactly this version already."""
        document.passed.add(self._stage.name)
        self.skipped += 1
        self._note(document, "skipped", self._clock())

    def complete(self, document: DocumentState, made: Any, *, key: str, started: float, given: Any = None) -> None:
        """The stage made something, which becomes an artifact. Raises EmptyOutputError for no chunks of a document with text."""
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
        self._note(document, "completed", started, output_count=sum(row.counts.values()))

    def complete_effect(self, document: DocumentState, outcome: Outcome, *, started: float) -> None:
        """The store answered for this document."""
        if outcome.status == "failed":
            self._record_failure(document, outcome.code, outcome.message, started)
            return
        document.worked = document.worked or outcome.status == "written"
        document.passed.add(self._stage.name)
        self.completed += 1
        self._note(document, "completed", started, output_count=outcome.count)

    def not_found(self, document: DocumentState, source: str) -> None:
        """The source does not know the id."""
        error = RecordNotFoundError(f"{source} has no record {document.job.source_id}.", remedy="Check the id.", source=source)
        self.fail(document, error)

    def fail(self, document: DocumentState, error: BaseException) -> None:
        """The document's way ends here."""
        if not isinstance(error, MedicalKGError):
            logger.error("stage %s failed for %s", self._stage.name, document.name, exc_info=error)
        code = error.code if isinstance(error, MedicalKGError) else "unexpected_error"
        message = str(error) if isinstance(error, MedicalKGError) else f"{type(error).__name__}: {error}"
        self._record_failure(document, code, message, self._clock())

    def leave_unchanged(self, document: DocumentState, known: KnownDocument) -> None:
        """Every later stage would find nothing to do."""
        document.doc_id = known.doc_id
        document.alive = False
        counts = {name: known.counts.get(name, 0) for name in COUNTED}
        self._change(
            document,
            status=JobStatus.COMPLETED,
            doc_id=known.doc_id,
            content_digest=known.content_digest,
            unchanged=True,
            current_stage=None,
            **counts,
        )

    def supersede(self, superseded: Sequence[tuple[DocumentState, str]]) -> None:
        """Records of a document of which the batch has a later one end here."""
        for document, by in superseded:
            document.alive = False
            self._change(document, status=JobStatus.COMPLETED, superseded_by=by, current_stage=None)
        self.flush()

    def count_retries(self, documents: Sequence[DocumentState], retries: int) -> None:
        """Attempts beyond the first that a call for these documents needed."""
        for document in documents if retries else ():
            counts = {**document.job.retry_count_per_stage, **document.retries}
            counts[self._stage.name] = counts.get(self._stage.name, 0) + retries
            document.retries = counts
            self._change(document, retry_count_per_stage=counts)

    # --- writing -----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Makes everything so far durable: first the bytes, then the rows, in one transaction."""
        rows = self._part.write()
        if rows or self._attempts or self._changes:
            self._ledger.record_stage(attempts=self._attempts, outputs=rows, changes=self._changes)
        self._part, self._attempts, self._changes = self._new_part(), [], {}
        self._last_flush = self._clock()

    def finish(self) -> None:
        """The stage is over: documents that passed everything are completed."""
        ends = self._batch.pipeline.ends
        for document in self._batch.alive():
            if ends <= document.passed:
                document.alive = False
                self._change(document, status=JobStatus.COMPLETED, unchanged=not document.worked, current_stage=None)
        self.flush()
        self._tell_progress()

    def _new_part(self) -> ArtifactPart:
        prefix = f"{self._batch.batch_id}/{self._stage.name}"
        return ArtifactPart(self._store, self._batch.tenant_id, prefix, self._clock)

    def _change(self, document: DocumentState, **values: Any) -> None:
        self._changes.setdefault(document.job.job_id, {}).update(values)

    def _adopt_counts(self, document: DocumentState, row: ArtifactRow) -> None:
        if document.doc_id is None and row.doc_id is not None:
            document.doc_id = row.doc_id
            self._change(document, doc_id=row.doc_id)
        if self._stage.kind.makes is DOCUMENT:
            self._change(document, content_digest=row.digest)
        counts: Mapping[str, int] = {name: n for name, n in row.counts.items() if name in COUNTED}
        if counts:
            self._change(document, **counts)

    def _record_failure(self, document: DocumentState, code: str, message: str, started: float) -> None:
        document.alive = False
        self.failed += 1
        if len(self.failures) < FAILURES_SHOWN:
            self.failures.append((document.name, f"{code}: {message}"))
        stage = self._stage.name
        self._change(document, status=JobStatus.FAILED, error_stage=stage, error_code=code, error_message=message)
        self._note(document, "failed", started, error_code=code, error_message=message)

    def _note(self, document: DocumentState, status: str, started: float, **details: Any) -> None:
        job_id = document.job.job_id
        source = self._stage.input_from
        row = document.outputs.get(source) if source else None
        self._attempts.append(
            StageAttempt(
                job_id=job_id,
                stage=self._stage.name,
                attempt=self._numbers.get(job_id, 0) + 1,
                status=status,
                started_at=started,
                finished_at=self._clock(),
                input_digest=row.digest if row else None,
                worker=self._worker,
                run_id=self._batch.run_id,
                **details,
            )
        )
        now = self._clock()
        if now - self._last_flush >= self._settings.flush_seconds or self._part.size_bytes >= PART_BYTES:
            self.flush()
        if now - self._last_progress >= PROGRESS_SECONDS:
            self._tell_progress()

    def _tell_progress(self) -> None:
        self._last_progress = self._clock()
        if self._progress is not None:
            done = self.completed + self.skipped + self.failed
            self._progress(self._stage.name, done, self._total, self.failed)
