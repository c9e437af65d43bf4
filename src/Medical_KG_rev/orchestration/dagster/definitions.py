"""The Dagster code location: every shipped pipeline as a job."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dagster import Definitions

from Medical_KG_rev.orchestration.dagster.jobs import build_job
from Medical_KG_rev.orchestration.dagster.resources import Parts, build_resources
from Medical_KG_rev.orchestration.topology import PipelineTopologyConfig


def build_definitions(topologies: Iterable[PipelineTopologyConfig], open_parts: Callable[[], Parts]) -> Definitions:
    """Jobs and resources. Nothing is opened or written before a run starts."""
    return Definitions(jobs=[build_job(topology) for topology in topologies], resources=build_resources(open_parts))
