"""What stages behind a gate take from before it: the gate's own artifact, and outputs of stages that earlier runs made."""

from __future__ import annotations

from Medical_KG_rev.errors import NothingBroughtError
from Medical_KG_rev.orchestration.artifacts import download_key, payload_key
from Medical_KG_rev.orchestration.batch import BatchState, DocumentState
from Medical_KG_rev.orchestration.ledger import ArtifactRow, Ledger
from Medical_KG_rev.orchestration.ledger.pdf_queue import brought_key
from Medical_KG_rev.orchestration.pipeline import Pipeline, PipelineStage


def job_key(stage: PipelineStage, job_id: str) -> str:
    """The key of an output that holds for its job alone."""
    return download_key(job_id) if stage.type == "download" else payload_key(job_id)


def require_input(batch: BatchState, document: DocumentState, stage: PipelineStage) -> None:
    """Passes where there is what the stage takes.

    Raises:
        NothingBroughtError: a person opened the gate before the document was there.
    """
    if stage.input_from is None or stage.input_from in document.outputs:
        return
    pipeline = batch.pipeline
    raise NothingBroughtError(
        f"Gate {pipeline.part} was opened for {document.name}, but stage {stage.name} finds no output of {stage.input_from}.",
        remedy=f"`medkg jobs retry {document.job.job_id} --from {pipeline.order[0]}` begins before the gate.",
        job_id=document.job.job_id,
        doc_id=document.doc_id,
        stage=stage.name,
        gate=pipeline.part,
    )


def restore_outputs(batch: BatchState, ledger: Ledger) -> None:
    """Gives the documents of a batch behind a gate what its stages take from before it; what is not there is left out."""
    pipeline = batch.pipeline
    made_here = {stage.name for stage in pipeline.stages}
    wanted = {stage.input_from for stage in pipeline.stages if stage.input_from is not None} - made_here
    if pipeline.part in wanted:
        _adopt(batch, ledger, pipeline.part or "", {doc.job.job_id: brought_key(doc.job.job_id) for doc in batch.documents})
    if pipeline.before is not None and wanted - {pipeline.part}:
        _follow(batch, ledger, pipeline.before)


def _follow(batch: BatchState, ledger: Ledger, before: Pipeline) -> None:
    """Finds the outputs of the earlier stages one after the other: the key of each follows from its input."""
    for stage in before.stages:
        if stage.is_effect:
            continue
        keys = {}
        for document in batch.documents:
            source = document.outputs.get(stage.input_from or "")
            if stage.kind.of_job:
                keys[document.job.job_id] = job_key(stage, document.job.job_id)
            elif source is not None:
                keys[document.job.job_id] = stage.key(source.digest)
        _adopt(batch, ledger, stage.name, keys)


def _adopt(batch: BatchState, ledger: Ledger, name: str, keys: dict[str, str]) -> None:
    found = ledger.find_artifacts(batch.tenant_id, keys.values())
    for document in batch.documents:
        row: ArtifactRow | None = found.get(keys.get(document.job.job_id, ""))
        if row is not None:
            _take(document, name, row)


def _take(document: DocumentState, name: str, row: ArtifactRow) -> None:
    document.outputs[name] = row
    document.doc_id = document.doc_id or row.doc_id
