"""A topology made runnable: its stages in order, each with its implementation, policy and input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.ledger.gate_arrivals import GateRule
from Medical_KG_rev.orchestration.products import BROUGHT, KINDS, Product, StageKind
from Medical_KG_rev.orchestration.topology import PipelineTopologyConfig, order


@dataclass(frozen=True, slots=True)
class PipelineStage:
    """One stage of a pipeline."""

    name: str
    type: str
    policy: str
    depends_on: tuple[str, ...]
    implementation: Any
    version: str
    """The fingerprint of the implementation."""
    config: str
    """The stage's own configuration as JSON."""
    input_from: str | None
    """The stage whose output this one takes, or the gate that brings it; None for the first."""

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

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same input would give another output."""
        return f"{self.version}\0{self.config}"

    def live_versions(self, tenant_id: str, doc_ids: Sequence[str]) -> Mapping[str, str]:
        """What an effect's store holds now, where the implementation can say; else nothing, so that all is written."""
        ask = getattr(self.implementation, "live_versions", None)
        return ask(tenant_id, doc_ids) if ask is not None else {}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages that one run executes, in topological order: all of them, or those on one side of a gate.

    ``part`` is the gate that the documents have passed, None before the first; ``gate`` is the one that they come to at the end,
    with the stages ``behind`` it. ``order`` names the stages of all parts.
    """

    name: str
    version: str
    stages: tuple[PipelineStage, ...]
    order: tuple[str, ...] = ()
    part: str | None = None
    gate: GateRule | None = None
    before: Pipeline | None = None
    behind: Pipeline | None = None

    def stage(self, name: str) -> PipelineStage:
        return next(stage for stage in self.stages if stage.name == name)

    def producer(self, stage: PipelineStage) -> str:
        """The version of what makes a stage's input; empty where a gate brings it."""
        return next((above.version for above in self.stages if above.name == stage.input_from), "")

    @property
    def ends(self) -> frozenset[str]:
        """The stages that nothing depends on; a document is done with this part when it passed them all."""
        return frozenset(stage.name for stage in self.stages) - {name for stage in self.stages for name in stage.depends_on}

    def of_part(self, part: str | None) -> Pipeline:
        """The stages behind the gate of that name; those before the first gate for None. Raises KeyError."""
        found: Pipeline | None = self
        while found is not None and found.part != part:
            found = found.behind
        if found is None:
            raise KeyError(part)
        return found

    def comes_before(self, stage: str, other: str) -> bool:
        """Whether a stage is run earlier than the other, or is the same."""
        return self.order.index(stage) <= self.order.index(other)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What :func:`assemble` needs to know of one stage of a topology."""

    name: str
    type: str
    policy: str
    depends_on: tuple[str, ...]
    config: Mapping[str, Any]


def stage_plans(topology: PipelineTopologyConfig, role: Callable[[str], str] = str) -> list[StagePlan]:
    """The stages of a topology in topological order. ``role``: the built-in type whose promise a stage's type keeps."""
    return [
        StagePlan(stage.name, role(stage.stage_type), stage.policy, stage.depends_on, stage.config) for stage in order(topology)
    ]


def gate_rules(topology: PipelineTopologyConfig) -> list[GateRule]:
    """The gates of a topology as the ledger knows them."""
    return [
        GateRule(
            gate.name,
            {predicate.ledger_field: predicate.equals for predicate in gate.condition},
            gate.timeout_seconds,
            gate.resume_stage,
        )
        for gate in topology.gates
    ]


def assemble(
    name: str, version: str, plans: Sequence[StagePlan], implementations: Mapping[str, Any], gates: Sequence[GateRule] = ()
) -> Pipeline:
    """Joins a topology (in topological order) with implementations by stage name; the part before its gate, if it has one.

    A stage takes its input from the nearest stage above it that makes what it needs; else from the gate that it is behind.

    Raises:
        DagsterPipelineConfigError: neither makes what a stage takes; or there are several gates.
    """
    by_name = {plan.name: plan for plan in plans}
    unknown = next((plan for plan in plans if plan.type not in KINDS), None)
    if unknown is not None:
        raise DagsterPipelineConfigError(
            f"Pipeline {name}: stage {unknown.name} has type {unknown.type}, which cannot be run.", valid=sorted(KINDS)
        )
    waiting = frozenset[str]()
    if gates:
        _require_one(name, gates)
        waiting = behind_gate(plans, gates[0].resume_stage)
    stages = []
    for plan in plans:
        kind, implementation = KINDS[plan.type], implementations[plan.name]
        source = _nearest(plan, by_name, kind.takes) if kind.takes else None
        if kind.takes and source is None:
            if plan.name not in waiting or kind.takes is not BROUGHT:
                raise DagsterPipelineConfigError(
                    f"Pipeline {name}: stage {plan.name} takes {kind.takes.name}, but no stage above it makes them.",
                    field=plan.name,
                )
            source = gates[0].name
        stages.append(
            PipelineStage(
                name=plan.name,
                type=plan.type,
                policy=plan.policy,
                depends_on=plan.depends_on,
                implementation=implementation,
                version=_fingerprint(implementation),
                config=json.dumps(plan.config, sort_keys=True),
                input_from=source,
            )
        )
    names = tuple(plan.name for plan in plans)
    first = tuple(stage for stage in stages if stage.name not in waiting)
    if not gates:
        return Pipeline(name, version, first, names)
    before = Pipeline(name, version, first, names, gate=gates[0])
    rest = tuple(stage for stage in stages if stage.name in waiting)
    return replace(before, behind=Pipeline(name, version, rest, names, part=gates[0].name, before=before))


def behind_gate(plans: Sequence[StagePlan], resume_stage: str) -> frozenset[str]:
    """The stages that wait behind a gate.

    The one to go on from, those whose input nobody above makes and the gate brings, and all that depend on these.
    """
    by_name = {plan.name: plan for plan in plans}
    reached: set[str] = set()
    for plan in plans:
        takes = KINDS[plan.type].takes if plan.type in KINDS else None
        is_brought = takes is BROUGHT and _nearest(plan, by_name, takes) is None
        if plan.name == resume_stage or is_brought or reached.intersection(plan.depends_on):
            reached.add(plan.name)
    return frozenset(reached)


def stages_behind(topology: PipelineTopologyConfig, role: Callable[[str], str] = str) -> frozenset[str]:
    """The stages that wait behind the gate of a topology; none where it has none. ``role`` as in :func:`stage_plans`."""
    plans = stage_plans(topology, role) if topology.gates else []
    return frozenset(name for gate in topology.gates for name in behind_gate(plans, gate.resume_stage))


def _require_one(name: str, gates: Sequence[GateRule]) -> None:
    if len(gates) > 1:
        raise DagsterPipelineConfigError(
            f"Pipeline {name} has {len(gates)} gates; a job can wait at one.",
            remedy="Give one gate all the conditions.",
            field="gates",
        )


def _fingerprint(implementation: Any) -> str:
    kind = type(implementation)
    return str(getattr(implementation, "fingerprint", f"{kind.__module__}.{kind.__qualname__}"))


def _nearest(plan: StagePlan, by_name: Mapping[str, StagePlan], product: Product) -> str | None:
    level = list(plan.depends_on)
    while level:
        for candidate in level:
            kind = KINDS.get(by_name[candidate].type)
            if kind is not None and kind.makes is product:
                return candidate
        level = [above for candidate in level for above in by_name[candidate].depends_on]
    return None
