"""Runs one stage for all documents of a batch: the one place where policy, ledger and timing meet.

A pure stage is skipped for a document whose artifact exists; an effect when its store holds exactly this version. What
fails, fails for its document alone: a slice that fails terminally is halved until the guilty document is found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from Medical_KG_rev.errors import (
    InvalidTransitionError,
    LeaseLostError,
    MedicalKGError,
    NothingBroughtError,
    StageError,
    WorkerStoppedError,
)
from Medical_KG_rev.failures import UNEXPECTED
from Medical_KG_rev.models import AdapterRequest, Outcome, RawPayload, StageContext
from Medical_KG_rev.observability.logs import log_context
from Medical_KG_rev.orchestration.artifacts import payload_key
from Medical_KG_rev.orchestration.batch import BatchState, DocumentState
from Medical_KG_rev.orchestration.earlier_parts import job_key, require_input, restore_outputs
from Medical_KG_rev.orchestration.ledger import Batch, Lease, Ledger
from Medical_KG_rev.orchestration.ledger.recovery import STOPPED, Reason
from Medical_KG_rev.orchestration.lookahead import find_unchanged
from Medical_KG_rev.orchestration.pipeline import Pipeline, PipelineStage
from Medical_KG_rev.orchestration.stages.calls import Slicer, check_output, merge_inputs, split_output
from Medical_KG_rev.orchestration.stages.journal import DocumentKey, StageJournal
from Medical_KG_rev.orchestration.stages.report import RunObserver, StageReport
from Medical_KG_rev.settings import BatchSettings
from Medical_KG_rev.storage import ObjectStore

T = TypeVar("T")
PREPARED = 32
"""Documents whose calls are announced together."""
OnRetry = Callable[[int, float, BaseException], None]
"""Told before each pause: attempts so far, seconds, error."""


class StageCaller(Protocol):
    """Makes the calls of one stage under its policy; ``abandoned`` counts those that still run after their time."""

    @property
    def abandoned(self) -> int:
        """Calls that hang: only the end of the process ends them."""
        ...

    def prepare(self, functions: Sequence[Callable[[], Any]]) -> None:
        """These calls come next and do not depend on each other: their first attempts may be made now."""
        ...

    def call(self, function: Callable[[], T]) -> T:
        """The function's result."""
        ...

    def close(self) -> None:
        """Ends what the calls ran on."""
        ...


CallerFor = Callable[[str, str, OnRetry], StageCaller]
Progress = Callable[[str, int, int, int], None]
"""Told now and then: stage, documents done, documents in all, documents failed."""


class _Call:
    """The call of a stage for one document; knows when its first attempt began and its last one ended."""

    def __init__(
        self, batch: BatchState, stage: PipelineStage, document: DocumentState, context: StageContext, clock: Callable[[], float]
    ) -> None:
        self.document = document
        self.context = context
        self.started: float | None = None
        self.finished: float | None = None
        self._batch = batch
        self._stage = stage
        self._clock = clock

    def __call__(self) -> tuple[Any, Any]:
        """What the stage took and what it made of it."""
        if self.started is None:
            self.started = self._clock()
        with log_context(job_id=self.document.job.job_id):
            given = self._batch.input_of(self.document, self._stage)  # under the policy too: the store may be away for a moment
            made = self._stage.implementation.execute(self.context, given)
        self.finished = self._clock()
        return given, made


class StageRunner:
    """Runs stages of batches in this process.

    Args:
        pipeline_for: the pipeline of a name and version.
        pin_callers: called when a batch begins; gives what makes the :class:`StageCaller` of each of its stages, under the
            policies of that moment, from the policy's name, the stage's name and what to tell of retries.
        clock: seconds since the epoch.
        lease_seconds: how long a lease lasts that is taken here.
        document_key: see :class:`StageJournal`; without one nothing is taken as read.

    Attributes:
        unfit: a call hangs in this process: the next batch should run in another.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: ObjectStore,
        settings: BatchSettings,
        pipeline_for: Callable[[str, str], Pipeline],
        pin_callers: Callable[[], CallerFor],
        clock: Callable[[], float],
        worker: str,
        lease_seconds: float = 60.0,
        observers: Sequence[RunObserver] = (),
        progress: Progress | None = None,
        document_key: DocumentKey | None = None,
    ) -> None:
        self.unfit = False
        self._stopping = False
        self._ledger = ledger
        self._store = store
        self._settings = settings
        self._pipeline_for = pipeline_for
        self._pin_callers = pin_callers
        self._callers: dict[str, CallerFor] = {}
        self._clock = clock
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._observers = observers
        self._progress = progress
        self._document_key = document_key or (lambda _doc_id, _stored: None)
        self._batches: dict[str, BatchState] = {}
        self._journal: StageJournal | None = None

    def open(self, batch_id: str, run_id: str | None = None) -> BatchState:
        """The batch, leased by this worker: it was before, or it is queued and is leased now.

        Raises:
            InvalidTransitionError: another worker has it, or it is over.
        """
        if batch_id not in self._batches:
            record = self._ledger.batch(batch_id)
            lease = self._lease(record)
            pipeline = self._pipeline_for(record.pipeline_name, record.pipeline_version).of_part(record.part)
            batch = BatchState(lease, run_id, pipeline, self._ledger.queue.jobs_of(lease), self._store)
            restore_outputs(batch, self._ledger)
            self._batches[batch_id] = batch
            self._callers[batch_id] = self._pin_callers()
            for observer in self._observers:
                observer.batch_started(batch)
        return self._batches[batch_id]

    def close(self, batch_id: str, failure: BaseException | None = None) -> None:
        """The run is over; jobs that it did not bring to an end are queued again."""
        batch = self._batches.pop(batch_id, None)
        self._callers.pop(batch_id, None)
        if batch is None:
            return
        for observer in self._observers:
            observer.batch_finished(batch, "failed" if failure else "completed")
        if not isinstance(failure, LeaseLostError):
            self._ledger.recovery.finish(batch.lease, reason_of(failure) if failure else None)

    def close_all(self) -> None:
        """Ends the batches that a run left open."""
        for batch_id, batch in list(self._batches.items()):
            self.close(batch_id, StageError("The run ended before the batch did.") if any(batch.alive()) else None)

    def stop(self) -> None:
        """The stage that runs now is the last one: the next is refused, and its batch goes back to the queue."""
        self._stopping = True

    def retrying(self, attempt: int, backoff_seconds: float, error: BaseException) -> None:
        """A remote request of the stage that runs now is made again after a pause."""
        if self._journal is not None:
            self._journal.retrying(attempt, backoff_seconds, error)

    def run_stage(self, batch_id: str, stage_name: str, run_id: str | None = None) -> StageReport:
        """Runs a stage for every document that is still on its way. The ledger has it all when this returns.

        Raises:
            WorkerStoppedError: :meth:`stop` was called.
            LeaseLostError: the batch was taken back meanwhile; what this stage did since its last flush is not recorded.
            MedicalKGError: what concerns no single document (no space, no model); nothing is lost, the batch can be run again.
        """
        if self._stopping:
            raise WorkerStoppedError(f"Stage {stage_name} was not begun: the worker stops.", batch_id=batch_id, stage=stage_name)
        batch = self.open(batch_id, run_id)
        stage = batch.pipeline.stage(stage_name)
        with log_context(
            tenant_id=batch.tenant_id,
            batch_id=batch_id,
            correlation_id=batch.submission_id,
            pipeline=batch.pipeline.name,
            stage=stage.name,
            dagster_run_id=run_id,
        ):
            return self._run(batch, stage)

    def _run(self, batch: BatchState, stage: PipelineStage) -> StageReport:
        started = self._clock()
        start = self._ledger.stages.start(batch.lease, stage.name, batch.run_id)
        batch.drop(start.cancelled)
        journal = StageJournal(
            batch,
            stage,
            self._ledger,
            self._store,
            self._settings,
            self._clock,
            self._worker,
            self._progress,
            start.attempts,
            self._document_key,
        )
        self._journal = journal
        caller = self._callers[batch.batch_id](stage.policy, stage.name, journal.retrying)
        try:
            self._require_inputs(batch, stage, journal)
            if stage.kind.takes is None:
                self._ingest(batch, stage, caller, journal)
            elif stage.is_effect:
                self._apply_effect(batch, stage, caller, journal)
            else:
                self._make(batch, stage, caller, journal)
            if stage.type == "parse" or (stage.input_from is not None and stage.input_from == batch.pipeline.part):
                journal.supersede(_superseded(batch))
            journal.finish()
        except BaseException as error:
            for observer in self._observers:
                observer.stage_stopped(batch, stage, self._report(journal, stage, started), reason_of(error))
            raise
        finally:
            self._journal = None
            self.unfit = self.unfit or caller.abandoned > 0
            caller.close()
        batch.forget(stage.name)
        report = self._report(journal, stage, started)
        for observer in self._observers:
            observer.stage_finished(batch, stage, report)
        return report

    def _require_inputs(self, batch: BatchState, stage: PipelineStage, journal: StageJournal) -> None:
        for document in list(batch.alive()):
            try:
                require_input(batch, document, stage)
            except NothingBroughtError as error:
                journal.fail(document, error)

    def _report(self, journal: StageJournal, stage: PipelineStage, started: float) -> StageReport:
        return StageReport(
            stage.name,
            journal.completed,
            journal.skipped,
            journal.failed,
            started,
            self._clock() - started,
            journal.outputs,
            tuple(journal.failures),
            journal.durations,
            journal.retries,
            journal.ended,
        )

    def _lease(self, batch: Batch) -> Lease:
        try:
            return self._ledger.queue.lease_of(batch.batch_id, self._worker)
        except LeaseLostError:
            lease = self._ledger.queue.lease(self._worker, self._lease_seconds, batch_ids=[batch.batch_id])
        if lease is None:
            raise InvalidTransitionError(
                f"Batch {batch.batch_id} cannot be run: it is {batch.status}, has no queued job, or the queue is paused.",
                remedy="`medkg jobs retry JOB` runs failed jobs again.",
                status=batch.status,
            )
        return lease

    # --- ingest ------------------------------------------------------------------------------------------------------

    def _ingest(self, batch: BatchState, stage: PipelineStage, caller: StageCaller, journal: StageJournal) -> None:
        """Payloads that the listing carried are there; the others are fetched, many ids in a request where the source can.

        Remote requests are retried in the adapter's own caller; the stage's policy only bounds the time of a slice. A retry from
        this stage fetches again, in the paths of the submission where it named some.
        """
        found = self._ledger.find_artifacts(batch.tenant_id, [payload_key(doc.job.job_id) for doc in batch.alive()])
        missing: dict[str, list[DocumentState]] = {}
        for document in batch.alive():
            row = found.get(payload_key(document.job.job_id))
            if row is None or batch.is_forced(document, stage):
                missing.setdefault(document.job.source, []).append(document)
            else:
                journal.skip(document, row)
        paths = tuple(self._ledger.submission(batch.submission_id).request.get("paths", ())) if missing else ()
        for source, documents in missing.items():
            wanted = AdapterRequest(source=source, tenant_id=batch.tenant_id, paths=paths)
            Slicer(documents, self._settings.fetch_slice).run(
                lambda part, wanted=wanted: self._fetch(batch, stage, caller, wanted, part, journal),  # type: ignore[misc]
                journal.fail,
            )
        self._leave_early(batch, journal)

    def _fetch(
        self,
        batch: BatchState,
        stage: PipelineStage,
        caller: StageCaller,
        wanted: AdapterRequest,
        documents: Sequence[DocumentState],
        journal: StageJournal,
    ) -> None:
        journal.begin(documents)
        request = msgspec.structs.replace(wanted, ids=tuple(document.job.source_id for document in documents))
        context = self._context(batch, stage, documents)
        payloads = caller.call(lambda: stage.implementation.execute(context, request))
        by_id: dict[str, list[RawPayload]] = {}
        for payload in payloads:
            by_id.setdefault(payload.source_id, []).append(payload)
        for document in documents:
            own = by_id.get(document.job.source_id)
            if own is None:
                journal.not_found(document, wanted.source)
            else:
                journal.complete(document, own, key=payload_key(document.job.job_id))

    def _leave_early(self, batch: BatchState, journal: StageJournal) -> None:
        """Fetched documents that every later stage would find unchanged are done now."""
        first = batch.pipeline.stages[0].name
        fetched = {doc.job.job_id: doc for doc in batch.alive() if doc.worked and doc.job.from_stage is None}
        digests = {job_id: doc.outputs[first].digest for job_id, doc in fetched.items() if first in doc.outputs}
        if digests:
            journal.flush()
            for job_id, known in find_unchanged(batch.pipeline, self._ledger, batch.tenant_id, digests).items():
                journal.leave_unchanged(fetched[job_id], known)

    # --- pure stages -------------------------------------------------------------------------------------------------

    def _make(self, batch: BatchState, stage: PipelineStage, caller: StageCaller, journal: StageJournal) -> None:
        source = stage.input_from or ""
        if stage.kind.of_job:
            keys = {doc.job.job_id: job_key(stage, doc.job.job_id) for doc in batch.alive()}
        else:
            keys = {doc.job.job_id: stage.key(doc.outputs[source].digest) for doc in batch.alive()}
        found = self._ledger.find_artifacts(batch.tenant_id, keys.values())
        missing = []
        for document in list(batch.alive()):
            row = found.get(keys[document.job.job_id])
            if row is None or batch.is_forced(document, stage):
                missing.append(document)
            else:
                journal.skip(document, row)
        if stage.kind.sliced:
            sizes = [sum(document.outputs[source].counts.values()) for document in missing]
            Slicer(missing, self._settings.embed_slice, sizes).run(
                lambda part: self._make_slice(batch, stage, caller, part, keys, journal), journal.fail
            )
        else:
            for start in range(0, len(missing), PREPARED):
                self._make_each(batch, stage, caller, missing[start : start + PREPARED], keys, journal)

    def _make_each(
        self,
        batch: BatchState,
        stage: PipelineStage,
        caller: StageCaller,
        documents: Sequence[DocumentState],
        keys: dict[str, str],
        journal: StageJournal,
    ) -> None:
        calls = {doc.job.job_id: _Call(batch, stage, doc, self._context(batch, stage, [doc]), self._clock) for doc in documents}
        caller.prepare(list(calls.values()))
        Slicer(documents, 1).run(
            lambda part: self._make_one(calls[part[0].job.job_id], stage, caller, keys, journal), journal.fail
        )

    def _make_one(
        self, call: _Call, stage: PipelineStage, caller: StageCaller, keys: dict[str, str], journal: StageJournal
    ) -> None:
        journal.begin([call.document], call.started)
        with log_context(job_id=call.document.job.job_id):
            given, made = caller.call(call)
        check_output(stage, made, call.context)
        journal.complete(call.document, made, key=keys[call.document.job.job_id], given=given, finished=call.finished)

    def _make_slice(
        self,
        batch: BatchState,
        stage: PipelineStage,
        caller: StageCaller,
        documents: Sequence[DocumentState],
        keys: dict[str, str],
        journal: StageJournal,
    ) -> None:
        context = self._context(batch, stage, documents)

        def make() -> tuple[tuple[Any, ...], Any]:
            given = merge_inputs(stage.kind.takes, [batch.input_of(document, stage) for document in documents])
            return given, stage.implementation.execute(context, *given)

        journal.begin(documents)
        given, made = caller.call(make)
        check_output(stage, made, context, given)
        for document, part in zip(documents, split_output(made, [doc.name for doc in documents]), strict=True):
            journal.complete(document, part, key=keys[document.job.job_id])

    # --- effects -----------------------------------------------------------------------------------------------------

    def _apply_effect(self, batch: BatchState, stage: PipelineStage, caller: StageCaller, journal: StageJournal) -> None:
        source = stage.input_from or ""
        versions = {doc.doc_id or "": stage.key(doc.outputs[source].key) for doc in batch.alive()}
        live = stage.live_versions(batch.tenant_id, list(versions))
        missing = []
        for document in list(batch.alive()):
            is_live = live.get(document.doc_id or "") == versions[document.doc_id or ""]
            if is_live and not batch.is_forced(document, stage):
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
        context = self._context(batch, stage, documents, versions)

        def write() -> Any:
            given = merge_inputs(stage.kind.takes, [batch.input_of(document, stage) for document in documents])
            return stage.implementation.execute(context, *given)

        journal.begin(documents)
        receipt = caller.call(write)
        for document in documents:
            journal.complete_effect(document, receipt.per_document.get(document.doc_id, Outcome("written")))

    def _context(
        self,
        batch: BatchState,
        stage: PipelineStage,
        documents: Sequence[DocumentState],
        versions: dict[str, str] | None = None,
    ) -> StageContext:
        single = documents[0] if not stage.kind.sliced else None
        doc_id = single.doc_id if single else None
        if single and doc_id is None and stage.kind.of_job:
            doc_id = f"{single.job.source}:{single.job.source_id}"
        ids = tuple(document.doc_id for document in documents if document.doc_id is not None)
        return StageContext(
            tenant_id=batch.tenant_id,
            doc_id=doc_id,
            correlation_id=batch.submission_id,
            documents=ids if stage.kind.sliced else (),
            versions={doc_id: versions[doc_id] for doc_id in ids} if versions else {},
            job_id=single.job.job_id if single else None,
            pipeline_name=batch.pipeline.name,
            pipeline_version=batch.pipeline.version,
            stage=stage.name,
            producer=batch.pipeline.producer(stage),
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


def reason_of(failure: BaseException) -> Reason:
    """What stands in the ledger when a run ends with this."""
    if isinstance(failure, KeyboardInterrupt | WorkerStoppedError):
        return STOPPED
    if isinstance(failure, MedicalKGError):
        return Reason(failure.code, str(failure), lost=False)
    return Reason(UNEXPECTED, f"{type(failure).__name__}: {failure}", lost=False)
