"""Human genes: approved symbols and names, with NCBI Gene ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from Medical_KG_rev.extraction.lexicon.readers.tables import comma_rows, rows
from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term
from Medical_KG_rev.models import EntityType

__all__ = ["read_hgnc"]


def read_hgnc(entries: Path, families: Path) -> Iterator[Term]:
    """Approved genes; what is only a phenotype is none. ``families`` say which genes belong to which family or complex."""
    parents: dict[str, list[str]] = {}
    for vocabulary, symbol, _, _, family in comma_rows(families, 5):
        if vocabulary == "HGNC":
            parents.setdefault(symbol, []).append(f"FPLX:{family}")
    for fields in rows(entries, 13, header=True):
        hgnc_id, symbol, name, status, aliases, ncbi, uniprot, mgi, rgd, previous, ensembl, locus, _ = fields
        if status != "Approved" or locus == "phenotype only":
            continue
        names = [(symbol, NameKind.PREFERRED), (name, NameKind.SYNONYM)]
        names += [(alias, NameKind.SYMBOL) for alias in (*_parts(aliases), *_parts(previous))]
        same = ([f"NCBIGene:{ncbi}"] if ncbi else []) + [f"uniprot:{one}" for one in _parts(uniprot)]
        xrefs = [f"ensembl:{ensembl}"] if ensembl else []
        xrefs += [curie for cell in (mgi, rgd) for curie in _parts(cell)]
        yield Term(hgnc_id, EntityType.GENE, names, tuple(same), tuple(xrefs), tuple(parents.get(symbol, ())))


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(",") if part.strip()]
