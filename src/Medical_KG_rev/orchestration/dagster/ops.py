"""Dagster ops from the stages of a topology: each op runs its stage for a whole batch.

What travels between ops is a reference to the batch, never a document. (Dagster reads the annotation of an op's context at
run time, so annotations are not postponed here.)
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dagster import In, MetadataValue, OpDefinition, OpExecutionContext, Out, Output

from Medical_KG_rev.orchestration.stages.runner import StageReport
from Medical_KG_rev.orchestration.topology import StageDefinition

BatchReference = dict[str, Any]
"""``{"batch_id": …}``: what an op hands to the next."""


def op_name(pipeline_name: str, stage_name: str) -> str:
    """Op names carry their topology, for two topologies of one code location may have stages of one name."""
    return f"{pipeline_name.replace('-', '_')}_{stage_name}"


def stage_op(pipeline_name: str, stage: StageDefinition) -> OpDefinition:
    """The op of a stage: any type."""
    upstream = {op_name(pipeline_name, name): In(dict) for name in stage.depends_on}

    def compute(context: OpExecutionContext, inputs: Mapping[str, BatchReference]) -> Iterator[Output[BatchReference]]:
        batch_id = next(iter(inputs.values()))["batch_id"] if inputs else context.op_config["batch_id"]
        report = context.resources.stage_runner.run_stage(batch_id, stage.name, context.run_id)
        for document, reason in report.failures:
            context.log.warning("%s: %s", document, reason)
        yield Output({"batch_id": batch_id}, metadata=_metadata(report))

    return OpDefinition(
        name=op_name(pipeline_name, stage.name),
        compute_fn=compute,
        ins=upstream,
        outs={"result": Out(dict)},
        config_schema=None if upstream else {"batch_id": str},
        required_resource_keys={"stage_runner"},
        description=f"Stage {stage.name} ({stage.stage_type}) under policy {stage.policy}.",
        tags={"stage": stage.name, "policy": stage.policy},
    )


def ingest_op(pipeline_name: str, stage: StageDefinition) -> OpDefinition:
    """Calls ``IngestStage.execute`` for the documents whose payload the listing did not carry."""
    return stage_op(pipeline_name, stage)


def parse_op(pipeline_name: str, stage: StageDefinition) -> OpDefinition:
    """Calls ``ParseStage.execute`` for each document."""
    return stage_op(pipeline_name, stage)


def ir_validation_op(pipeline_name: str, stage: StageDefinition) -> OpDefinition:
    """Calls ``IrValidationStage.execute`` for each document."""
    return stage_op(pipeline_name, stage)


def chunk_op(pipeline_name: str, stage: StageDefinition) -> OpDefinition:
    """Calls ``ChunkStage.execute`` for each document."""
    return stage_op(pipeline_name, stage)


def embed_op(pipeline_name: str, stage: StageDefinition) -> OpDefinition:
    """Calls ``EmbedStage.execute`` for slices of chunks."""
    return stage_op(pipeline_name, stage)


def index_op(pipeline_name: str, stage: StageDefinition) -> OpDefinition:
    """Calls ``IndexStage.execute`` for slices of documents."""
    return stage_op(pipeline_name, stage)


def extract_op(pipeline_name: str, stage: StageDefinition) -> OpDefinition:
    """Calls ``ExtractStage.execute`` for each document."""
    return stage_op(pipeline_name, stage)


def kg_op(pipeline_name: str, stage: StageDefinition) -> OpDefinition:
    """Calls ``KGStage.execute`` for slices of documents."""
    return stage_op(pipeline_name, stage)


OP_FACTORIES: dict[str, Callable[[str, StageDefinition], OpDefinition]] = {
    "ingest": ingest_op,
    "parse": parse_op,
    "ir_validation": ir_validation_op,
    "chunk": chunk_op,
    "embed": embed_op,
    "index": index_op,
    "extract": extract_op,
    "kg": kg_op,
}


def _metadata(report: StageReport) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "documents completed": report.completed,
        "documents skipped": report.skipped,
        "documents failed": report.failed,
        "seconds": round(report.seconds, 3),
    }
    if report.failures:
        rows = "\n".join(f"| {_cell(name)} | {_cell(reason)} |" for name, reason in report.failures)
        counts["failures"] = MetadataValue.md(f"| document | reason |\n| --- | --- |\n{rows}")
    return counts


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
