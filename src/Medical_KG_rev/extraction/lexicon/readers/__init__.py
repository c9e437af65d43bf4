"""Readers of term sources: each turns the files of one source into terms, and reads nothing else."""

from Medical_KG_rev.extraction.lexicon.readers.drugbank import read_drugbank
from Medical_KG_rev.extraction.lexicon.readers.hgnc import read_hgnc
from Medical_KG_rev.extraction.lexicon.readers.mesh import read_mesh
from Medical_KG_rev.extraction.lexicon.readers.ontologies import (
    read_chebi,
    read_disease_ontology,
    read_gene_ontology,
    read_human_phenotypes,
    read_mondo,
)

__all__ = [
    "read_chebi",
    "read_disease_ontology",
    "read_drugbank",
    "read_gene_ontology",
    "read_hgnc",
    "read_human_phenotypes",
    "read_mesh",
    "read_mondo",
]
