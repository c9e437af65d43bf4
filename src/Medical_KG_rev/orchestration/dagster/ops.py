"""Dagster ops from the stages of a topology: each op runs its stage for a whole batch.

What travels between ops is a reference to the batch, never a document. (Dagster reads the annotation of an op's context at
run time, so annotations are not postponed here.)
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dagster import In, MetadataValue, OpDefinition, OpExecutionContext, Out, Output

from Medical_KG_rev.errors import InvalidTransitionError
from Medical_KG_rev.orchestration.dagster.run_tags import ATTEMPT, SKIPPED
from Medical_KG_rev.orchestration.stages.report import StageReport
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
        batch_id = next(iter(inputs.values()))["batch_id"] if inputs else _begin(context)
        if batch_id is None:
            return  # without an output, Dagster skips the stages after this one
        report = context.resources.stage_runner.run_stage(batch_id, stage.name, context.run_id)
        for document, reason in report.failures:
            context.log.warning("%s: %s", document, reason)
        yield Output({"batch_id": batch_id}, metadata=_metadata(report))

    return OpDefinition(
        name=op_name(pipeline_name, stage.name),
        compute_fn=compute,
        ins=upstream,
        outs={"result": Out(dict, is_required=bool(upstream))},
        config_schema=None if upstream else {"batch_id": str},
        required_resource_keys={"stage_runner"} if upstream else {"stage_runner", "job_ledger"},
        description=f"Stage {stage.name} ({stage.stage_type}) under policy {stage.policy}.",
        tags={"stage": stage.name, "policy": stage.policy},
    )


ingest_op = download_op = parse_op = ir_validation_op = chunk_op = embed_op = index_op = extract_op = kg_op = stage_op
"""What differs between stages is in their definitions and implementations; for Dagster they are alike."""

OP_FACTORIES: dict[str, Callable[[str, StageDefinition], OpDefinition]] = {
    "ingest": ingest_op,
    "download": download_op,
    "parse": parse_op,
    "ir_validation": ir_validation_op,
    "chunk": chunk_op,
    "embed": embed_op,
    "index": index_op,
    "extract": extract_op,
    "kg": kg_op,
}


def _begin(context: OpExecutionContext) -> str | None:
    """The batch, held by this process; None where there is nothing to do for this run: another has made its attempt."""
    batch_id: str = context.op_config["batch_id"]
    try:
        _require_turn(context, batch_id)
        context.resources.stage_runner.open(batch_id, context.run_id)
    except InvalidTransitionError as error:
        context.log.warning("Nothing to do: %s", error.message)
        context.instance.add_run_tags(context.run_id, {SKIPPED: str(error.status)})
        return None
    return batch_id


def _require_turn(context: OpExecutionContext, batch_id: str) -> None:
    """A run is for one attempt; where that was made meanwhile and failed, the next has a pause and a run of its own."""
    attempt = context.run.tags.get(ATTEMPT)
    batch = context.resources.job_ledger.batch(batch_id)
    if attempt is not None and batch.status == "queued" and batch.attempt + 1 != int(attempt):
        raise InvalidTransitionError(f"Attempt {attempt} of batch {batch_id} was made by another run.", status=batch.status)


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
