"""GraphML: read by networkx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx
import pytest

from .conftest import DISEASE, DRUG, HOSTILE, PAPER

pytestmark = pytest.mark.component


def read(export: Callable[..., Any], *given: Any) -> networkx.MultiDiGraph:
    return networkx.read_graphml(export("graphml", *given)[0], force_multigraph=True)


def test_networkx_reads_nodes_and_edges(export: Callable[..., Any]) -> None:
    graph = read(export)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (6, 5)
    edge = graph.edges[DRUG.id, DISEASE.id, "a1"]
    assert (edge["predicate"], edge["belief"], edge["belief_against"], edge["claims_retracted"]) == (
        "biolink:treats",
        0.9,
        0.6,
        1,
    )
    assert "Metformin improved type 2 diabetes." in edge["evidence"]
    assert graph.nodes[DRUG.id]["category"] == "biolink:ChemicalEntity"
    assert graph.nodes[PAPER]["status"] == "retracted"
    assert "status" not in graph.nodes[DRUG.id]


def test_what_xml_cannot_hold_is_replaced(export: Callable[..., Any]) -> None:
    name = read(export).nodes['MK:concept:a"<b>\\{%20}/|^`#é']["name"]
    for kept in ('"quoted" \\', "</script><!-- ]]>", "\u202eRTL\u202c", "\U0001f9ec", "\U000f0000", "\U0010fffd", "\x85"):
        assert kept in name
    assert not {"\x00", "\x01", "\x1f", "\ufffe", "\uffff"} & set(name)
    assert len(name) == len(HOSTILE)


def test_an_empty_graph_is_valid(export: Callable[..., Any]) -> None:
    assert read(export, []).number_of_nodes() == 0
