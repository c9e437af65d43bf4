"""Runs one stage for all documents of a batch: the one place where policy, ledger and timing meet.

A pure stage is skipped for a document whose artifact exists; an effect when its store holds exactly this version. What
fails, fails for its document alone: a slice that fails terminally is halved until the guilty document is found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec

from Medical_KG_rev.errors import InvalidTransitionError
from Medical_KG_rev.models import AdapterRequest, Outcome, RawPayload, StageContext
from Medical_KG_rev.orchestration.artifacts import payload_key
from Medical_KG_rev.orchestration.batch import BatchState, DocumentState
from Medical_KG_rev.orchestration.ledger import Ledger
from Medical_KG_rev.orchestration.lookahead import find_unchanged
from Medical_KG_rev.orchestration.pipeline import Pipeline, PipelineStage
from Medical_KG_rev.orchestration.stages.calls import Slicer, merge_inputs, split_output
from Medical_KG_rev.orchestration.stages.journal import StageJournal
from Medical_KG_rev.settings import BatchSettings
from Medical_KG_rev.storage import ObjectStore

T = TypeVar("T")


class StageCaller(Protocol):
    """Makes the calls of one stage under its policy; ``retries`` counts the attempts beyond the first."""

    retries: int

    def call(self, function: Callable[[], T]) -> T:
        """The function's result."""
        ...

    def close(self) -> None:
        """Ends what the calls ran on."""
        ...


class StageReport(msgspec.Struct, frozen=True):
    """What a stage did for a batch. ``failures`` names some of the documents that failed, with the reason."""

    stage: str
    completed: int
    skipped: int
    failed: int
    seconds: float
    failures: tuple[tuple[str, str], ...] = ()


Progress = Callable[[str, int, int, int], None]
"""Told now and then: stage, documents done, documents in all, documents failed."""


class StageRunner:
    """Runs stages of batches in this process.

    Args:
        pipeline_for: the pipeline of a name and version.
        caller_for: makes the :class:`StageCaller` of a stage from its policy's name and its own name.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: ObjectStore,
        settings: BatchSettings,
        pipeline_for: Callable[[str, str], Pipeline],
        caller_for: Callable[[str, str], StageCaller],
        clock: Callable[[], float],
        worker: str,
        progress: Progress | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._settings = settings
        self._pipeline_for = pipeline_for
        self._caller_for = caller_for
        self._clock = clock
        self._worker = worker
        self._progress = progress
        self._batches: dict[str, BatchState] = {}

    def open(self, batch_id: str, run_id: str | None = None) -> BatchState:
        """Claims a queued batch for this worker; later calls return it as it is.

        Raises:
            InvalidTransitionError: another worker has it, or it is over.
        """
        if batch_id not in self._batches:
            record = self._ledger.batch(batch_id)
            jobs = self._ledger.claim_batch(batch_id, self._worker, run_id)
            if not jobs:
                raise InvalidTransitionError(
                    f"Batch {batch_id} cannot be run: it is {record.status} or has no queued job.",
                    remedy="`medkg jobs retry JOB` runs failed jobs again.",
                    status=record.status,
                )
            pipeline = self._pipeline_for(record.pipeline_name, record.pipeline_version)
            self._batches[batch_id] = BatchState(batch_id, run_id, pipeline, jobs, self._store)
        return self._batches[batch_id]

    def close(self, batch_id: str, status: str) -> None:
        """The batch is over, as ``completed`` or ``failed``."""
        self._batches.pop(batch_id, None)
        self._ledger.finish_batch(batch_id, status)

    def close_all(self) -> None:
        """Ends the batches that a run left open; jobs that it did not bring to an end are queued again."""
        for batch_id, batch in list(self._batches.items()):
            self.close(batch_id, "failed" if any(batch.alive()) else "completed")

    def run_stage(self, batch_id: str, stage_name: str, run_id: str | None = None) -> StageReport:
        """Runs a stage for every document that is still on its way. The ledger has it all when this returns.

        Raises:
            MedicalKGError: what concerns no single document (no space, no model); nothing is lost, the batch can be run again.
        """
        batch = self.open(batch_id, run_id)
        stage = batch.pipeline.stage(stage_name)
        started = self._clock()
        self._ledger.start_stage(batch_id, stage.name)
        journal = StageJournal(batch, stage, self._ledger, self._store, self._settings, self._clock, self._worker, self._progress)
        caller = self._caller_for(stage.policy, stage.name)
        try:
            if stage.kind.takes is None:
                self._ingest(batch, stage, caller, journal)
            elif stage.is_effect:
                self._apply_effect(batch, stage, caller, journal)
            else:
                self._make(batch, stage, caller, journal)
            journal.finish()
        finally:
            caller.close()
        if stage.type == "parse":
            journal.supersede(_superseded(batch))
        batch.forget(stage.name)
        return StageReport(
            stage.name,
            journal.completed,
            journal.skipped,
            journal.failed,
            self._clock() - started,
            tuple(journal.failures),
        )

    # --- ingest ------------------------------------------------------------------------------------------------------

    def _ingest(self, batch: BatchState, stage: PipelineStage, caller: StageCaller, journal: StageJournal) -> None:
        """Payloads that the listing carried are there; the others are fetched, many ids in a request where the source can.

        Remote requests are retried in the adapter's own caller; the stage's policy only bounds the time of a slice.
        """
        found = self._ledger.find_artifacts(batch.tenant_id, [payload_key(doc.job.job_id) for doc in batch.alive()])
        missing: dict[str, list[DocumentState]] = {}
        for document in batch.alive():
            row = found.get(payload_key(document.job.job_id))
            if row is None:
                missing.setdefault(document.job.source, []).append(document)
            else:
                journal.skip(document, row)
        for source, documents in missing.items():
            Slicer(documents, self._settings.fetch_slice).run(
                lambda part, source=source: self._fetch(batch, stage, caller, source, part, journal),  # type: ignore[misc]
                journal.fail,
            )
        self._leave_early(batch, journal)

    def _fetch(
        self,
        batch: BatchState,
        stage: PipelineStage,
        caller: StageCaller,
        source: str,
        documents: Sequence[DocumentState],
        journal: StageJournal,
    ) -> None:
        started = self._clock()
        request = AdapterRequest(
            source=source, tenant_id=batch.tenant_id, ids=tuple(document.job.source_id for document in documents)
        )
        context = self._context(batch, stage, documents)
        payloads = caller.call(lambda: stage.implementation.execute(context, request))
        by_id: dict[str, list[RawPayload]] = {}
        for payload in payloads:
            by_id.setdefault(payload.source_id, []).append(payload)
        for document in documents:
            own = by_id.get(document.job.source_id)
            if own is None:
                journal.not_found(document, source)
            else:
                journal.complete(document, own, key=payload_key(document.job.job_id), started=started)

    def _leave_early(self, batch: BatchState, journal: StageJournal) -> None:
        """Fetched documents that every later stage would find unchanged are done now."""
        first = batch.pipeline.stages[0].name
        fetched = {doc.job.job_id: doc for doc in batch.alive() if doc.worked}
        digests = {job_id: doc.outputs[first].digest for job_id, doc in fetched.items() if first in doc.outputs}
        if digests:
            journal.flush()
            for job_id, known in find_unchanged(batch.pipeline, self._ledger, batch.tenant_id, digests).items():
                journal.leave_unchanged(fetched[job_id], known)

    # --- pure stages -------------------------------------------------------------------------------------------------

    def _make(self, batch: BatchState, stage: PipelineStage, caller: StageCaller, journal: StageJournal) -> None:
        source = stage.input_from or ""
        keys = {doc.job.job_id: stage.key(doc.outputs[source].digest) for doc in batch.alive()}
        found = self._ledger.find_artifacts(batch.tenant_id, keys.values())
        missing = []
        for document in batch.alive():
            row = found.get(keys[document.job.job_id])
            if row is None:
                missing.append(document)
            else:
                journal.skip(document, row)
        if stage.kind.sliced:
            sizes = [sum(document.outputs[source].counts.values()) for document in missing]
            Slicer(missing, self._settings.embed_slice, sizes).run(
                lambda part: self._make_slice(batch, stage, caller, part, keys, journal), journal.fail
            )
        else:
            Slicer(missing, 1).run(lambda part: self._make_one(batch, stage, caller, part[0], keys, journal), journal.fail)

    def _make_one(
        self,
        batch: BatchState,
        stage: PipelineStage,
        caller: StageCaller,
        document: DocumentState,
        keys: dict[str, str],
        journal: StageJournal,
    ) -> None:
        started, before = self._clock(), caller.retries
        context = self._context(batch, stage, [document])
        given = batch.input_of(document, stage)
        try:
            made = caller.call(lambda: stage.implementation.execute(context, given))
        finally:
            journal.count_retries([document], caller.retries - before)
        journal.complete(document, made, key=keys[document.job.job_id], started=started, given=given)

    def _make_slice(
        self,
        batch: BatchState,
        stage: PipelineStage,
        caller: StageCaller,
        documents: Sequence[DocumentState],
        keys: dict[str, str],
        journal: StageJournal,
    ) -> None:
        started, before = self._clock(), caller.retries
        context = self._context(batch, stage, documents)
        given = merge_inputs(stage.kind.takes, [batch.input_of(document, stage) for document in documents])
        try:
            made = caller.call(lambda: stage.implementation.execute(context, *given))
        finally:
            journal.count_retries(documents, caller.retries - before)
        for document, part in zip(documents, split_output(made, [doc.name for doc in documents]), strict=True):
            journal.complete(document, part, key=keys[document.job.job_id], started=started)

    # --- effects -----------------------------------------------------------------------------------------------------

    def _apply_effect(self, batch: BatchState, stage: PipelineStage, caller: StageCaller, journal: StageJournal) -> None:
        source = stage.input_from or ""
        versions = {doc.doc_id or "": stage.key(doc.outputs[source].key) for doc in batch.alive()}
        live = stage.live_versions(batch.tenant_id, list(versions))
        missing = []
        for document in batch.alive():
            if live.get(document.doc_id or "") == versions[document.doc_id or ""]:
                journal.skip_effect(document)
            else:
                missing.append(document)
        size = self._settings.index_slice if stage.type == "index" else self._settings.graph_slice
        Slicer(missing, size).run(lambda part: self._write(batch, stage, caller, part, versions, journal), journal.fail)

    def _write(
        self,
        batch: BatchState,
        stage: PipelineStage,
        caller: StageCaller,
        documents: Sequence[DocumentState],
        versions: dict[str, str],
        journal: StageJournal,
    ) -> None:
        started, before = self._clock(), caller.retries
        context = self._context(batch, stage, documents, versions)
        given = merge_inputs(stage.kind.takes, [batch.input_of(document, stage) for document in documents])
        try:
            receipt = caller.call(lambda: stage.implementation.execute(context, *given))
        finally:
            journal.count_retries(documents, caller.retries - before)
        for document in documents:
            outcome = receipt.per_document.get(document.doc_id, Outcome("written"))
            journal.complete_effect(document, outcome, started=started)

    def _context(
        self,
        batch: BatchState,
        stage: PipelineStage,
        documents: Sequence[DocumentState],
        versions: dict[str, str] | None = None,
    ) -> StageContext:
        single = documents[0] if not stage.kind.sliced else None
        ids = tuple(document.doc_id for document in documents if document.doc_id is not None)
        return StageContext(
            tenant_id=batch.tenant_id,
            doc_id=single.doc_id if single else None,
            correlation_id=batch.submission_id,
            documents=ids if stage.kind.sliced else (),
            versions={doc_id: versions[doc_id] for doc_id in ids} if versions else {},
            job_id=single.job.job_id if single else None,
            pipeline_name=batch.pipeline.name,
            pipeline_version=batch.pipeline.version,
            stage=stage.name,
        )


def _superseded(batch: BatchState) -> list[tuple[DocumentState, str]]:
    """Of several records of one document, all but the last, each with the job that takes its place."""
    last: dict[str, DocumentState] = {}
    for document in batch.alive():
        last[document.doc_id or ""] = document
    return [
        (document, last[document.doc_id or ""].job.job_id)
        for document in batch.alive()
        if last[document.doc_id or ""] is not document
    ]
