"""Dagster jobs from topologies."""

from __future__ import annotations

from dagster import DependencyDefinition, GraphDefinition, JobDefinition, OpDefinition, in_process_executor

from Medical_KG_rev.orchestration.dagster.ops import OP_FACTORIES, op_name, stage_op
from Medical_KG_rev.orchestration.topology import PipelineTopologyConfig


def job_name(pipeline_name: str) -> str:
    """``auto`` → ``auto_pipeline_job``."""
    return f"{pipeline_name.replace('-', '_')}_pipeline_job"


def build_job(topology: PipelineTopologyConfig) -> JobDefinition:
    """One op a stage, wired as ``depends_on`` says, so that branches stay branches."""
    ops: list[OpDefinition] = [OP_FACTORIES.get(stage.stage_type, stage_op)(topology.name, stage) for stage in topology.stages]
    dependencies = {
        op_name(topology.name, stage.name): {
            op_name(topology.name, upstream): DependencyDefinition(op_name(topology.name, upstream))
            for upstream in stage.depends_on
        }
        for stage in topology.stages
    }
    graph = GraphDefinition(
        name=f"{topology.name.replace('-', '_')}_pipeline",
        node_defs=ops,
        dependencies=dependencies,
        description=topology.description,
    )
    return graph.to_job(
        name=job_name(topology.name),
        description=topology.description,
        executor_def=in_process_executor,
        tags={"pipeline": topology.name, "pipeline_version": topology.version},
    )
