"""A pipeline as a graph: what is wrong with it, in which order it runs, how it looks."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from Medical_KG_rev.orchestration.topology.problems import Problem

if TYPE_CHECKING:
    from Medical_KG_rev.orchestration.topology.models import GateDefinition, PipelineTopologyConfig, StageDefinition


def structure_problems(topology: PipelineTopologyConfig) -> list[Problem]:
    """All that makes the stages and gates no acyclic graph: names used twice, unknown names, cycles."""
    problems = [*_duplicate_problems(topology), *_dependency_problems(topology), *_gate_problems(topology)]
    return problems or list(_cycle_problems(topology))


def _duplicate_problems(topology: PipelineTopologyConfig) -> Iterator[Problem]:
    for key, names in (("stages", [stage.name for stage in topology.stages]), ("gates", [gate.name for gate in topology.gates])):
        for index, name in enumerate(names):
            if name in names[:index]:
                yield Problem((key, index, "name"), f"'{name}' stands twice")
    for source, count in Counter(topology.applicable_sources).items():
        if count > 1:
            yield Problem(("applicable_sources",), f"'{source}' stands {count} times")


def _dependency_problems(topology: PipelineTopologyConfig) -> Iterator[Problem]:
    names = tuple(stage.name for stage in topology.stages)
    for index, stage in enumerate(topology.stages):
        for position, dependency in enumerate(stage.depends_on):
            at = ("stages", index, "depends_on", position)
            if dependency not in names:
                yield Problem(at, f"stage '{stage.name}' depends on '{dependency}', which is unknown", names)
            elif dependency in stage.depends_on[:position]:
                yield Problem(at, f"'{dependency}' stands twice")


def _gate_problems(topology: PipelineTopologyConfig) -> Iterator[Problem]:
    names = tuple(stage.name for stage in topology.stages)
    for index, gate in enumerate(topology.gates):
        if gate.resume_stage not in names:
            yield Problem(("gates", index, "resume_stage"), f"'{gate.resume_stage}' is not a stage", names)


def _cycle_problems(topology: PipelineTopologyConfig) -> Iterator[Problem]:
    try:
        TopologicalSorter({stage.name: stage.depends_on for stage in topology.stages}).prepare()
    except CycleError as error:
        path: list[str] = error.args[1]
        index = next(i for i, stage in enumerate(topology.stages) if stage.name == path[0])
        yield Problem(("stages", index, "depends_on"), f"Cycle detected: {' → '.join(path)}")


def order(topology: PipelineTopologyConfig) -> tuple[StageDefinition, ...]:
    """The stages so that each follows what it depends on; where that leaves a choice, as in the file."""
    rank = {stage.name: index for index, stage in enumerate(topology.stages)}
    sorter = TopologicalSorter({stage.name: stage.depends_on for stage in topology.stages})
    sorter.prepare()
    ready: list[int] = []
    ordered: list[StageDefinition] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, rank[name])
        stage = topology.stages[heapq.heappop(ready)]
        ordered.append(stage)
        sorter.done(stage.name)
    return tuple(ordered)


def downstream(topology: PipelineTopologyConfig, name: str) -> frozenset[str]:
    """The stage and all that depend on it: what waits behind a gate, what a retry from there repeats."""
    reached = {name}
    for stage in order(topology):
        if reached.intersection(stage.depends_on):
            reached.add(stage.name)
    return frozenset(reached)


def as_mermaid(topology: PipelineTopologyConfig, waiting: Collection[str] = ()) -> str:
    """The graph as a Mermaid flowchart. ``waiting``: the stages behind the gate."""
    lines = ["flowchart LR", *(f'  {stage.name}["{stage.name}<br/>{stage.policy}"]' for stage in topology.stages)]
    gates = _gates_before(topology, waiting)
    lines += [f'  gate_{gate.name}{{{{"{gate.name}: {condition_text(gate)}"}}}}' for gate in topology.gates]
    lines += [f"  gate_{gate.name} --> {stage}" for stage, gate in gates.items()]
    edges = [
        f"  {dependency} --> {f'gate_{gates[stage.name].name}' if stage.name in gates else stage.name}"
        for stage in topology.stages
        for dependency in stage.depends_on
    ]
    return "\n".join(dict.fromkeys([*lines, *edges])) + "\n"


def _gates_before(topology: PipelineTopologyConfig, waiting: Collection[str]) -> dict[str, GateDefinition]:
    """Stage → the gate at which documents halt before it: the first stages of those that wait, as far as these are known."""
    firsts = [
        stage.name for stage in topology.stages if stage.name in waiting and not set(waiting).intersection(stage.depends_on)
    ]
    return {name: gate for gate in topology.gates for name in firsts or [gate.resume_stage]}


def as_text(topology: PipelineTopologyConfig, waiting: Collection[str] = ()) -> str:
    """The graph as indented text: each stage below the one that it waits for longest. ``waiting``: the stages behind the gate."""
    stages = order(topology)
    rank = {stage.name: index for index, stage in enumerate(stages)}
    gates = _gates_before(topology, waiting)
    depth: dict[str, int] = {}
    children: dict[str | None, list[StageDefinition]] = {}
    for stage in stages:
        parent = max(stage.depends_on, key=rank.__getitem__, default=None)
        depth[stage.name] = depth[parent] + 1 if parent else 0
        children.setdefault(parent, []).append(stage)
    lines = [f"{topology.name} {topology.version}"]
    pending = list(reversed(children.get(None, [])))
    while pending:
        stage = pending.pop()
        indent = "  " * depth[stage.name]
        if stage.name in gates:
            lines.append(f"{indent}◇ {gates[stage.name].name}: {condition_text(gates[stage.name])}")
        others = f"  (also after {', '.join(stage.depends_on)})" if len(stage.depends_on) > 1 else ""
        lines.append(f"{indent}└ {stage.name} [{stage.stage_type}, {stage.policy}]{others}")
        pending.extend(reversed(children.get(stage.name, [])))
    return "\n".join(lines) + "\n"


def condition_text(gate: GateDefinition) -> str:
    """The condition of a gate in words."""
    return " and ".join(f"{item.ledger_field} = {str(item.equals).lower()}" for item in gate.condition)
