"""Batches and stages as OpenLineage run events (specification 2-0-2)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from openlineage.client.constants import __version__ as client_version
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    tags_run,
)

from Medical_KG_rev import __version__
from Medical_KG_rev.orchestration.lineage.facets import PRODUCER, GPUUtilizationFacet, ModelVersionFacet, RetryAttemptFacet
from Medical_KG_rev.orchestration.lineage.runs import BatchRun, BatchStatus, StageRun, run_id

NAMESPACE = "medical-kg"
"""Of every job."""
BATCHES_REMEMBERED = 1000
"""Of batches whose end nobody told, the oldest are forgotten."""

# What a stage takes and makes. Data sets of a batch are named after it; `index` and `graph` stay.
_FLOW: Mapping[str, tuple[str, str]] = {
    "ingest": ("submissions", "payloads"),
    "download": ("payloads", "files"),
    "parse": ("payloads", "parsed"),
    "ir_validation": ("parsed", "documents"),
    "chunk": ("documents", "chunks"),
    "embed": ("chunks", "embeddings"),
    "index": ("embeddings", "index"),
    "extract": ("documents", "statements"),
    "kg": ("statements", "graph"),
}
_LASTING = frozenset({"index", "graph"})
_ONE_EACH = frozenset({"submissions", "payloads", "files", "parsed", "documents"})
"""Data sets with one row per document."""
_ENDS = {"completed": RunState.COMPLETE, "failed": RunState.FAIL, "cancelled": RunState.ABORT}


class LineageEvents:
    """Makes the events of batches, one after the other; used by one thread."""

    def __init__(self) -> None:
        self._made: OrderedDict[str, dict[str, int]] = OrderedDict()
        """Rows of each data set that a batch has made so far, by run id."""

    def batch_started(self, batch: BatchRun, at: float) -> list[RunEvent]:
        """The start of a batch's run."""
        self._rows(batch)
        return [self._batch_event(batch, RunState.START, at)]

    def stage_finished(self, batch: BatchRun, stage: StageRun) -> list[RunEvent]:
        """Start and end of a stage's run, whose parent is the batch's."""
        made, rows = _made_by(stage), self._rows(batch)
        inputs = [self._input(batch, stage, rows)] if stage.stage_type in _FLOW else []
        rows[made] = rows.get(made, 0) + stage.outputs
        outputs = [_output(batch, made, stage.outputs)]
        end = RunState.FAIL if stage.has_failed else RunState.COMPLETE
        facets = {"parent": _parent(batch), "tags": _tags(batch, stage)}
        return [
            _event(batch, stage.stage, RunState.START, stage.started_at, facets, inputs=inputs),
            _event(batch, stage.stage, end, stage.finished_at, {**facets, **_end_facets(stage)}, inputs=inputs, outputs=outputs),
        ]

    def batch_finished(self, batch: BatchRun, status: BatchStatus, at: float) -> list[RunEvent]:
        """The end of a batch's run, with everything that its stages made."""
        made = self._made.pop(run_id(batch), {})
        outputs = [_output(batch, name, rows) for name, rows in made.items()]
        return [self._batch_event(batch, _ENDS[status], at, outputs)]

    def _batch_event(self, batch: BatchRun, state: RunState, at: float, outputs: list[OutputDataset] | None = None) -> RunEvent:
        inputs = [_input(batch, "submissions", batch.documents)]
        return _event(batch, None, state, at, {"tags": _tags(batch)}, inputs=inputs, outputs=outputs)

    def _rows(self, batch: BatchRun) -> dict[str, int]:
        rows = self._made.setdefault(run_id(batch), {})
        while len(self._made) > BATCHES_REMEMBERED:
            self._made.popitem(last=False)
        return rows

    def _input(self, batch: BatchRun, stage: StageRun, rows: Mapping[str, int]) -> InputDataset:
        taken, _ = _FLOW[stage.stage_type]
        return _input(batch, taken, stage.documents if taken in _ONE_EACH else rows.get(taken))


def _event(
    batch: BatchRun,
    stage: str | None,
    state: RunState,
    at: float,
    facets: Mapping[str, Any],
    *,
    inputs: list[InputDataset],
    outputs: list[OutputDataset] | None = None,
) -> RunEvent:
    engine = processing_engine_run.ProcessingEngineRunFacet(
        version=__version__, name="Medical_KG_rev", openlineageAdapterVersion=client_version, producer=PRODUCER
    )
    kind = job_type_job.JobTypeJobFacet(
        processingType="BATCH", integration="MEDICAL_KG", jobType="STAGE" if stage else "BATCH", producer=PRODUCER
    )
    return RunEvent(
        eventTime=datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        eventType=state,
        run=Run(runId=run_id(batch, stage), facets={"processing_engine": engine, **facets}),
        job=Job(namespace=NAMESPACE, name=_job_name(batch, stage), facets={"jobType": kind}),
        inputs=inputs,
        outputs=outputs or [],
        producer=PRODUCER,
    )


def _job_name(batch: BatchRun, stage: str | None = None) -> str:
    return f"{batch.pipeline}.{stage}" if stage else batch.pipeline


def _made_by(stage: StageRun) -> str:
    """The data set that a stage makes; one of an unknown type has one of its own name."""
    return _FLOW[stage.stage_type][1] if stage.stage_type in _FLOW else stage.stage


def _where(batch: BatchRun, name: str) -> tuple[str, str]:
    """Namespace and name of a data set."""
    return f"medical-kg://{batch.tenant_id}", name if name in _LASTING else f"{name}/{batch.batch_id}"


def _input(batch: BatchRun, name: str, rows: int | None) -> InputDataset:
    statistics = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=rows, producer=PRODUCER)
    return InputDataset(*_where(batch, name), inputFacets={} if rows is None else {"inputStatistics": statistics})


def _output(batch: BatchRun, name: str, rows: int) -> OutputDataset:
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows, producer=PRODUCER)
    return OutputDataset(*_where(batch, name), outputFacets={"outputStatistics": statistics})


def _parent(batch: BatchRun) -> parent_run.ParentRunFacet:
    identity, name = run_id(batch), _job_name(batch)
    return parent_run.ParentRunFacet(
        run=parent_run.Run(runId=identity),
        job=parent_run.Job(namespace=NAMESPACE, name=name),
        root=parent_run.Root(run=parent_run.RootRun(runId=identity), job=parent_run.RootJob(namespace=NAMESPACE, name=name)),
        producer=PRODUCER,
    )


def _tags(batch: BatchRun, stage: StageRun | None = None) -> tags_run.TagsRunFacet:
    """By what the run is known elsewhere; for a stage also what became of the documents."""
    tags: dict[str, object] = {
        "tenant_id": batch.tenant_id,
        "batch_id": batch.batch_id,
        "attempt": batch.attempt,
        "pipeline_version": batch.pipeline_version,
        "documents": batch.documents,
    }
    if batch.dagster_run_id is not None:
        tags["dagster_run_id"] = batch.dagster_run_id
    if stage is not None:
        tags.update(documents=stage.documents, completed=stage.completed, failed=stage.failed, skipped=stage.skipped)
    fields = [tags_run.TagsRunFacetFields(key=key, value=str(value), source="MEDICAL_KG") for key, value in tags.items()]
    return tags_run.TagsRunFacet(tags=fields, producer=PRODUCER)


def _end_facets(stage: StageRun) -> dict[str, Any]:
    facets: dict[str, Any] = {RetryAttemptFacet.KEY: RetryAttemptFacet(stage.retries, stage.backoff_strategy).to_dict()}
    if stage.model is not None:
        facets[ModelVersionFacet.KEY] = ModelVersionFacet(*stage.model, *(stage.sparse_model or ())).to_dict()
    gpu = stage.gpu
    if gpu is not None and (gpu.memory_used_bytes is not None or gpu.utilisation is not None):
        percent = None if gpu.utilisation is None else round(100 * gpu.utilisation, 2)
        facets[GPUUtilizationFacet.KEY] = GPUUtilizationFacet(gpu.memory_used_bytes, percent).to_dict()
    if stage.has_failed:
        message = stage.error or f"None of {stage.documents} documents passed stage {stage.stage}."
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=message, programmingLanguage="Python", producer=PRODUCER
        )
    return facets
