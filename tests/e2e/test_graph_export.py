"""The graph of the samples in every format, each read by a tool of that format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx
import pytest
import rdflib
from fhir.resources.bundle import Bundle
from kgx_validation import validated
from pyarrow import parquet
from shipped_medkg import Medkg

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore:(Dataset|ConjunctiveGraph):DeprecationWarning:rdflib")]


@pytest.fixture(scope="module")
def stats(library: Medkg) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(library("graph", "stats", "--json").expect(0).out)
    return found


def export(library: Medkg, format: str, out: Path) -> dict[str, Any]:
    receipt: dict[str, Any] = json.loads(library("graph", "export", "--format", format, "--out", out, "--json").expect(0).out)
    return receipt


def test_kgx(library: Medkg, stats: dict[str, Any], tmp_path: Path) -> None:
    export(library, "kgx", tmp_path)
    (report,) = validated(tmp_path)
    assert (report["errors"], report["not_predicates"], report["dangling"]) == ({}, [], [])
    assert (report["nodes"], report["edges"]) == (stats["entities"], stats["assertions"])


def test_rdf_and_json_ld(library: Medkg, tmp_path: Path) -> None:
    quads, objects = rdflib.Dataset(), rdflib.Dataset()
    receipt = export(library, "rdf", tmp_path / "graph.nq")
    export(library, "jsonld", tmp_path / "graph.jsonld")
    quads.parse(data=(tmp_path / "graph.nq").read_bytes(), format="nquads")
    objects.parse(data=(tmp_path / "graph.jsonld").read_bytes(), format="json-ld")
    found = {(s, p, o, str(g or "")) for s, p, o, g in quads.quads()}
    assert len(found) == receipt["written"]["quads"]
    assert found == {(s, p, o, str(g or "")) for s, p, o, g in objects.quads()}


def test_fhir(library: Medkg, stats: dict[str, Any], tmp_path: Path) -> None:
    receipt = export(library, "fhir", tmp_path / "bundle.json")
    bundle = Bundle.model_validate_json((tmp_path / "bundle.json").read_bytes())
    assert len(bundle.entry) == sum(receipt["written"].values())
    evidence = [entry.resource for entry in bundle.entry if entry.resource.get_resource_type() == "Evidence"]
    compared = [each for each in evidence if each.statistic]
    assert compared, "the samples have a study whose outcome was compared between groups"
    assert len(evidence) - len(compared) == stats["assertions"]


def test_graphml(library: Medkg, stats: dict[str, Any], tmp_path: Path) -> None:
    export(library, "graphml", tmp_path / "graph.graphml")
    graph = networkx.read_graphml(tmp_path / "graph.graphml", force_multigraph=True)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (stats["entities"], stats["assertions"])


def test_parquet(library: Medkg, stats: dict[str, Any], tmp_path: Path) -> None:
    receipt = export(library, "parquet", tmp_path)
    for name in ("documents", "entities", "mentions", "claims", "assertions"):
        assert parquet.read_metadata(tmp_path / f"{name}.parquet").num_rows == stats[name] == receipt["read"][name]
