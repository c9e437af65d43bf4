"""Dagster jobs from topologies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dagster import DependencyDefinition, GraphDefinition, JobDefinition, OpDefinition, in_process_executor

from Medical_KG_rev.orchestration.dagster.ops import OP_FACTORIES, op_name, stage_op
from Medical_KG_rev.orchestration.pipeline import stages_behind
from Medical_KG_rev.orchestration.topology import PipelineTopologyConfig, StageDefinition

QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
"""Dagster's console log costs several times what the run does; the event log has it all."""


@dataclass(frozen=True, slots=True)
class PipelinePart:
    """The stages that one job runs: all of a pipeline, or those on one side of its gate.

    ``part`` is as in a batch: the gate that the documents have passed, None before it.
    """

    topology: PipelineTopologyConfig
    part: str | None
    stages: tuple[StageDefinition, ...]

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Pipeline, pin and part: what a batch names."""
        return self.topology.name, self.topology.pin, self.part

    @property
    def job_name(self) -> str:
        """``auto`` → ``auto_pipeline_job``; with a gate ``pdf_two_phase_job`` and ``pdf_two_phase_post_gate_job``."""
        name = self.topology.name.replace("-", "_")
        if not self.topology.gates:
            return f"{name}_pipeline_job"
        return f"{name}_job" if self.part is None else f"{name}_post_gate_job"

    def run_config(self, batch_id: str) -> dict[str, Any]:
        """What a run of this job for a batch is given."""
        here = {stage.name for stage in self.stages}
        first = [stage.name for stage in self.stages if not here.intersection(stage.depends_on)]
        ops = {op_name(self.topology.name, name): {"config": {"batch_id": batch_id}} for name in first}
        return {"ops": ops, "loggers": QUIET}

    def job(self) -> JobDefinition:
        """One op a stage, wired as ``depends_on`` says, so that branches stay branches."""
        name, here = self.topology.name, {stage.name for stage in self.stages}
        above = {stage.name: [each for each in stage.depends_on if each in here] for stage in self.stages}
        ops: list[OpDefinition] = [
            OP_FACTORIES.get(stage.stage_type, stage_op)(name, stage.model_copy(update={"depends_on": tuple(above[stage.name])}))
            for stage in self.stages
        ]
        dependencies = {
            op_name(name, stage): {op_name(name, each): DependencyDefinition(op_name(name, each)) for each in upstream}
            for stage, upstream in above.items()
        }
        graph = GraphDefinition(
            name=self.job_name.removesuffix("_job"),
            node_defs=ops,
            dependencies=dependencies,
            description=self.topology.description,
        )
        return graph.to_job(
            name=self.job_name,
            description=self.topology.description,
            executor_def=in_process_executor,
            tags={"pipeline": name, "pipeline_version": self.topology.version},
        )


@dataclass(frozen=True, slots=True)
class LaunchedJob:
    """A part of a pipeline with its job, which takes a while to build."""

    part: PipelinePart
    definition: JobDefinition


def parts_of(topology: PipelineTopologyConfig, role: Callable[[str], str] = str) -> tuple[PipelinePart, ...]:
    """The parts of a pipeline: one, or two where it has a gate.

    ``role``: the built-in type whose promise a stage's type keeps.
    """
    if not topology.gates:
        return (PipelinePart(topology, None, topology.stages),)
    gate, waiting = topology.gates[0], stages_behind(topology, role)
    before = tuple(stage for stage in topology.stages if stage.name not in waiting)
    behind = tuple(stage for stage in topology.stages if stage.name in waiting)
    return PipelinePart(topology, None, before), PipelinePart(topology, gate.name, behind)


def launched_job(topology: PipelineTopologyConfig, part: str | None = None, role: Callable[[str], str] = str) -> LaunchedJob:
    """One part of a pipeline, with its job. Raises KeyError where the pipeline has no such part."""
    for each in parts_of(topology, role):
        if each.part == part:
            return LaunchedJob(each, each.job())
    raise KeyError(part)
