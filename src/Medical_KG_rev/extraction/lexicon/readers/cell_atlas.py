"""Ontologies as one JSON object by id, compressed: labels, synonyms and all ancestors with their distance."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from Medical_KG_rev.extraction.lexicon.readers.ontologies import DISEASE
from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term
from Medical_KG_rev.models import EntityType

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["read_anatomy", "read_cell_lines", "read_cell_types", "read_newer_mondo"]


class _Record(msgspec.Struct):
    label: str
    ancestors: dict[str, int] = {}
    synonyms: list[str] = []
    deprecated: bool = False
    replaced_by: str = ""


def read_anatomy(path: Path) -> Iterator[Term]:
    return _terms(path, EntityType.ANATOMY)


def read_cell_types(path: Path) -> Iterator[Term]:
    return _terms(path, EntityType.ANATOMY)


def read_newer_mondo(path: Path) -> Iterator[Term]:
    """Diseases; characteristics of diseases are none."""
    return _terms(path, EntityType.DISEASE, DISEASE)


def read_cell_lines(path: Path) -> Iterator[Term]:
    """Cell lines by their Cellosaurus ids: `cellosaurus:CVCL_0030`."""
    for term in _terms(path, EntityType.CELL_LINE):
        yield Term(f"cellosaurus:{term.id}", term.type, [(term.names[0][0], NameKind.SYMBOL)])


def _terms(path: Path, kind: EntityType, root: str = "") -> Iterator[Term]:
    records = msgspec.json.decode(zstd.decompress(path.read_bytes()), type=dict[str, _Record])
    former: dict[str, list[str]] = {}
    for curie, record in records.items():
        if record.deprecated and record.replaced_by:
            former.setdefault(record.replaced_by, []).append(curie)
    for curie, record in records.items():
        if record.deprecated or not record.label or (root and root not in record.ancestors):
            continue
        names = [(record.label, NameKind.PREFERRED), *((synonym, NameKind.SYNONYM) for synonym in record.synonyms)]
        parents = tuple(sorted(parent for parent, distance in record.ancestors.items() if distance == 1))
        yield Term(curie, kind, names, (), (), parents, tuple(former.get(curie, ())))
