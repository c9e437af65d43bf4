"""Readers of term sources: each turns the files of one source into terms, and reads nothing else."""

from Medical_KG_rev.extraction.lexicon.readers.cell_atlas import read_anatomy, read_cell_lines, read_cell_types, read_newer_mondo
from Medical_KG_rev.extraction.lexicon.readers.chemicals import read_chebi, read_drugbank
from Medical_KG_rev.extraction.lexicon.readers.dictionaries import read_collected_diseases, read_collected_drugs
from Medical_KG_rev.extraction.lexicon.readers.famplex import read_families
from Medical_KG_rev.extraction.lexicon.readers.hgnc import read_hgnc
from Medical_KG_rev.extraction.lexicon.readers.mesh import read_mesh
from Medical_KG_rev.extraction.lexicon.readers.ontologies import (
    read_disease_ontology,
    read_gene_ontology,
    read_human_phenotypes,
    read_mondo,
)
from Medical_KG_rev.extraction.lexicon.readers.own import read_own_names

__all__ = [
    "read_anatomy",
    "read_cell_lines",
    "read_cell_types",
    "read_chebi",
    "read_collected_diseases",
    "read_collected_drugs",
    "read_disease_ontology",
    "read_drugbank",
    "read_families",
    "read_gene_ontology",
    "read_hgnc",
    "read_human_phenotypes",
    "read_mesh",
    "read_mondo",
    "read_newer_mondo",
    "read_own_names",
]
