"""A topology made runnable: its stages in order, each with its implementation, policy and input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.products import KINDS, Product, StageKind


@dataclass(frozen=True, slots=True)
class PipelineStage:
    """One stage of a pipeline. ``fingerprint`` covers the implementation and the stage's own configuration."""

    name: str
    type: str
    policy: str
    depends_on: tuple[str, ...]
    implementation: Any
    fingerprint: str
    input_from: str | None
    """The stage whose output this one takes; None for the first."""

    @property
    def kind(self) -> StageKind:
        return KINDS[self.type]

    @property
    def is_effect(self) -> bool:
        """Whether it writes to a store instead of making an artifact."""
        return self.kind.makes is None

    @property
    def uses_gpu(self) -> bool:
        """Whether its implementation ran on a GPU when it was last called."""
        return bool(getattr(self.implementation, "uses_gpu", False))

    def key(self, input_digest: str) -> str:
        """The key of this stage's artifact for an input: equal keys mean equal outputs."""
        return hashlib.sha256(f"{self.type}\0{self.fingerprint}\0{input_digest}".encode()).hexdigest()

    def live_versions(self, tenant_id: str, doc_ids: Sequence[str]) -> Mapping[str, str]:
        """What an effect's store holds now, where the implementation can say; else nothing, so that all is written."""
        ask = getattr(self.implementation, "live_versions", None)
        return ask(tenant_id, doc_ids) if ask is not None else {}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """``stages`` in topological order."""

    name: str
    version: str
    stages: tuple[PipelineStage, ...]

    def stage(self, name: str) -> PipelineStage:
        return next(stage for stage in self.stages if stage.name == name)

    @property
    def ends(self) -> frozenset[str]:
        """The stages that nothing depends on; a document is done when it passed them all."""
        return frozenset(stage.name for stage in self.stages) - {name for stage in self.stages for name in stage.depends_on}


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What :func:`assemble` needs to know of one stage of a topology."""

    name: str
    type: str
    policy: str
    depends_on: tuple[str, ...]
    config: Mapping[str, Any]


def assemble(name: str, version: str, plans: Sequence[StagePlan], implementations: Mapping[str, Any]) -> Pipeline:
    """Joins a topology (in topological order) with implementations by stage name.

    A stage takes its input from the nearest stage above it that makes what it needs.

    Raises:
        DagsterPipelineConfigError: no stage above makes what a stage takes.
    """
    by_name = {plan.name: plan for plan in plans}
    stages = []
    for plan in plans:
        kind = KINDS.get(plan.type)
        if kind is None:
            raise DagsterPipelineConfigError(
                f"Pipeline {name}: stage {plan.name} has type {plan.type}, which cannot be run.", valid=sorted(KINDS)
            )
        implementation = implementations[plan.name]
        stages.append(
            PipelineStage(
                name=plan.name,
                type=plan.type,
                policy=plan.policy,
                depends_on=plan.depends_on,
                implementation=implementation,
                fingerprint=f"{_fingerprint(implementation)}\0{json.dumps(plan.config, sort_keys=True)}",
                input_from=_nearest(name, plan, by_name, kind.takes) if kind.takes else None,
            )
        )
    return Pipeline(name, version, tuple(stages))


def _fingerprint(implementation: Any) -> str:
    kind = type(implementation)
    return str(getattr(implementation, "fingerprint", f"{kind.__module__}.{kind.__qualname__}"))


def _nearest(pipeline: str, plan: StagePlan, by_name: Mapping[str, StagePlan], product: Product) -> str:
    level = list(plan.depends_on)
    while level:
        for candidate in level:
            if KINDS[by_name[candidate].type].makes is product:
                return candidate
        level = [above for candidate in level for above in by_name[candidate].depends_on]
    raise DagsterPipelineConfigError(
        f"Pipeline {pipeline}: stage {plan.name} takes {product.name}, but no stage above it makes them.", field=plan.name
    )
