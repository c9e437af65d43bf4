"""RDF and JSON-LD: parsed by rdflib, and the same statements in both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rdflib

from Medical_KG_rev.graph.exports.curies import iri
from Medical_KG_rev.graph.exports.quads import PREFIXES

from .conftest import DISEASE, DRUG, HOSTILE, SENTENCE, TRIAL

# rdflib warns of names that it uses itself.
pytestmark = [pytest.mark.component, pytest.mark.filterwarnings("ignore:(Dataset|ConjunctiveGraph):DeprecationWarning:rdflib")]

BIOLINK, OA = rdflib.Namespace(PREFIXES["biolink"]), rdflib.Namespace(PREFIXES["oa"])
PROV, NP = rdflib.Namespace(PREFIXES["prov"]), rdflib.Namespace(PREFIXES["np"])
TREATS = (rdflib.URIRef(iri(DRUG.id)), BIOLINK.treats, rdflib.URIRef(iri(DISEASE.id)))


def parsed(path: Path, format: str) -> rdflib.Dataset:
    dataset = rdflib.Dataset()
    dataset.parse(data=path.read_bytes(), format=format)
    return dataset


def statements(dataset: rdflib.Dataset) -> set[Any]:
    """By their exact terms: 1 and 01 are not the same."""
    return {(*(term.n3() if term is not None else "" for term in (s, p, o)), str(g or "")) for s, p, o, g in dataset.quads()}


def test_n_quads_are_read_whole(export: Callable[..., Any]) -> None:
    path, receipt = export("rdf")
    dataset = parsed(path, "nquads")
    assert len(list(dataset.quads())) == receipt.written["quads"] == path.read_bytes().count(b"\n")


def test_json_ld_says_the_same(export: Callable[..., Any]) -> None:
    quads, objects = parsed(export("rdf")[0], "nquads"), parsed(export("jsonld")[0], "json-ld")
    assert statements(quads) == statements(objects)


@pytest.mark.parametrize(("format", "reader"), [("rdf", "nquads"), ("jsonld", "json-ld")])
def test_an_empty_graph_is_valid(export: Callable[..., Any], format: str, reader: str) -> None:
    assert len(parsed(export(format, [])[0], reader)) == 0


def test_only_what_is_stated_stands_as_a_statement(export: Callable[..., Any]) -> None:
    dataset = parsed(export("rdf")[0], "nquads")
    graphs = {str(graph.identifier) for graph in dataset.graphs() if TREATS in graph}
    assert graphs == {"urn:medkg:claim:c1#assertion", "urn:medkg:claim:c3#assertion"}
    assert TREATS not in dataset.default_graph
    supposed = dataset.graph(rdflib.URIRef("urn:medkg:claim:c6#assertion"))
    assert {str(predicate) for predicate in supposed.predicates()} & {str(BIOLINK.causes)} == set()
    assert len(supposed) == 5


def test_each_claim_is_a_nanopublication_with_quoted_evidence(export: Callable[..., Any]) -> None:
    dataset = parsed(export("rdf")[0], "nquads")
    claim = rdflib.URIRef("urn:medkg:claim:c1")
    head = dataset.graph(rdflib.URIRef(f"{claim}#head"))
    for name in ("hasAssertion", "hasProvenance", "hasPublicationInfo"):
        (part,) = head.objects(claim, NP[name])
        assert len(dataset.graph(part)) > 0, name
    provenance = dataset.graph(rdflib.URIRef(f"{claim}#provenance"))
    quotes = {str(quote) for quote in provenance.objects(None, OA.exact)}
    assert quotes == {SENTENCE, HOSTILE}
    assert set(provenance.objects(None, OA.hasSource)) == {rdflib.URIRef(iri(TRIAL))}
    spans = {(int(provenance.value(s, OA.start)), int(provenance.value(s, OA.end))) for s in provenance.subjects(OA.start)}
    assert spans == {(100, 100 + len(SENTENCE)), (900, 900 + len(HOSTILE))}


def test_retracted_documents_are_marked(export: Callable[..., Any]) -> None:
    dataset = parsed(export("rdf")[0], "nquads")
    status = rdflib.URIRef("urn:medkg:vocab:status")
    marked = {str(s) for s in dataset.default_graph.subjects(status, rdflib.Literal("retracted"))}
    assert marked == {"http://www.ncbi.nlm.nih.gov/pmc/PMC2"}


def test_the_context_is_in_the_file(export: Callable[..., Any]) -> None:
    document = json.loads(export("jsonld")[0].read_text())
    assert document["@context"]["biolink"] == PREFIXES["biolink"]
