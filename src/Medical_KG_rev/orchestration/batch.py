"""The state of one batch while a process works on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from Medical_KG_rev.orchestration.artifacts import ReadAhead, read_artifact
from Medical_KG_rev.orchestration.ledger import ArtifactRow, Job, Lease
from Medical_KG_rev.orchestration.pipeline import Pipeline, PipelineStage
from Medical_KG_rev.orchestration.products import Product
from Medical_KG_rev.storage import ObjectStore

CACHE_BYTES = 256 * 1024 * 1024
"""Encoded size of the outputs that a batch keeps in memory between stages; the rest is read back when needed."""


@dataclass(slots=True)
class DocumentState:
    """How far one job got. ``outputs`` holds the artifact of each pure stage that it passed, and what a gate brought it."""

    job: Job
    doc_id: str | None
    outputs: dict[str, ArtifactRow] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    retries: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    worked: bool = False
    """Whether any stage had to do something for it."""
    alive: bool = True

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.doc_id or self.job.source_id


class BatchState:
    """The documents of a batch that are still on their way, and what they carry."""

    def __init__(self, lease: Lease, run_id: str | None, pipeline: Pipeline, jobs: Sequence[Job], store: ObjectStore) -> None:
        self.lease = lease
        self.batch_id = lease.batch_id
        self.run_id = run_id
        self.pipeline = pipeline
        self.documents = [DocumentState(job, job.doc_id) for job in jobs]
        self.tenant_id = jobs[0].tenant_id if jobs else ""
        self.submission_id = jobs[0].submission_id if jobs else ""
        self._reader = ReadAhead(store)
        self._cached_bytes = 0
        self._finished: set[str] = set()

    def alive(self) -> Iterator[DocumentState]:
        return (document for document in self.documents if document.alive)

    def drop(self, job_ids: Collection[str]) -> None:
        """These jobs were cancelled."""
        for document in self.documents:
            if document.job.job_id in job_ids:
                document.alive = False

    def is_forced(self, document: DocumentState, stage: PipelineStage) -> bool:
        """Whether a retry asked for this stage to be run again even where its output is stored."""
        if document.job.from_stage is None:
            return False
        from_stage, pipeline = document.job.from_stage, self.pipeline
        return from_stage in pipeline.order and pipeline.comes_before(from_stage, stage.name)

    def keep(self, document: DocumentState, stage: str, row: ArtifactRow, value: Any = None) -> None:
        """Records that the document passed a pure stage; the value stays in memory while there is room."""
        document.outputs[stage] = row
        document.passed.add(stage)
        if value is not None and self._cached_bytes + row.length <= CACHE_BYTES:
            document.values[stage] = value
            self._cached_bytes += row.length

    def input_of(self, document: DocumentState, stage: PipelineStage) -> Any:
        """What the stage takes for this document."""
        source, product = stage.input_from, stage.kind.takes
        assert source is not None  # noqa: S101 - assemble() gave every stage but the first its input
        assert product is not None  # noqa: S101 - and a stage with an input takes something
        return self._value(document, source, product)

    def output_of(self, document: DocumentState, stage: PipelineStage) -> Any:
        """What the stage made for this document."""
        product = stage.kind.makes
        assert product is not None  # noqa: S101 - effects have no output
        return self._value(document, stage.name, product)

    def _value(self, document: DocumentState, name: str, product: Product) -> Any:
        if name in document.values:
            return document.values[name]
        return read_artifact(self._reader, document.outputs[name], product)

    def forget(self, finished: str) -> None:
        """Frees what no stage takes that is still to come."""
        self._finished.add(finished)
        needed = {stage.input_from for stage in self.pipeline.stages if stage.name not in self._finished}
        for document in self.documents:
            for name in [name for name in document.values if name not in needed or not document.alive]:
                del document.values[name]
                self._cached_bytes -= document.outputs[name].length
