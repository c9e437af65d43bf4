"""Any graph: valid exactly when it is acyclic, and then ordered."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from Medical_KG_rev.orchestration.topology import PipelineTopologyConfig, as_mermaid, as_text, downstream, order

pytestmark = pytest.mark.unit

NAMES = tuple("abcdefgh")


def topology(edges: dict[str, set[str]]) -> PipelineTopologyConfig:
    return PipelineTopologyConfig.model_validate(
        {
            "version": "1.0",
            "name": "random",
            "description": "x",
            "applicable_sources": ["local"],
            "stages": [
                {"name": name, "type": "chunk", "policy": "default", "depends_on": sorted(needs)} for name, needs in edges.items()
            ],
        }
    )


graphs = st.permutations(NAMES).flatmap(
    lambda names: st.fixed_dictionaries({name: st.sets(st.sampled_from(NAMES), max_size=3) for name in names})
)
acyclic = st.permutations(NAMES).flatmap(
    lambda names: st.fixed_dictionaries(
        {
            name: st.sets(st.sampled_from(names[:index]), max_size=3) if index else st.just(set())
            for index, name in enumerate(names)
        }
    )
)


def reachable(edges: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    pending = list(edges[start])
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(edges[name])
    return found


@given(graphs)
def test_valid_exactly_when_no_stage_reaches_itself(edges: dict[str, set[str]]) -> None:
    cyclic = any(name in reachable(edges, name) for name in edges)
    try:
        topology(edges)
    except ValidationError as error:
        assert cyclic
        path = str(error).split("Cycle detected: ")[1].split(" [type")[0].split(" → ")
        assert path[0] == path[-1]
        assert all(earlier in edges[later] for earlier, later in pairwise(path))
    else:
        assert not cyclic


@given(acyclic)
def test_order_respects_every_edge_and_is_stable(edges: dict[str, set[str]]) -> None:
    built = topology(edges)
    names = [stage.name for stage in order(built)]
    assert sorted(names) == sorted(edges)
    assert all(names.index(need) < names.index(name) for name, needs in edges.items() for need in needs)
    assert names == [stage.name for stage in order(topology(edges))]


@given(acyclic)
def test_downstream_is_all_that_depends_on_it(edges: dict[str, set[str]]) -> None:
    built = topology(edges)
    for name in edges:
        assert downstream(built, name) == {name} | {other for other in edges if name in reachable(edges, other)}


@given(acyclic)
def test_drawings_show_each_stage_once_and_each_edge(edges: dict[str, set[str]]) -> None:
    built = topology(edges)
    assert sorted(line.split("└ ")[1].split(" ")[0] for line in as_text(built).splitlines()[1:]) == sorted(edges)
    assert as_mermaid(built).count(" --> ") == sum(map(len, edges.values()))
