"""Drug and disease names, brands among them, that were collected from MeSH, DrugBank, MedlinePlus, the NHS and Wikipedia.

They come as pickles of plain dictionaries; what is read here can be nothing else, as any class or function in them is an error.
A collection says by its MeSH heading, or by its DrugBank id, what a name means; the MeSH ids that it gives are often those of
another heading, and are not used. Names of a drug that is called as a supplementary concept of MeSH are names of that, though the
ids are not joined: nobody says that they are the same. Names are in small letters.
"""

from __future__ import annotations

import bz2
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from Medical_KG_rev.errors import ModelCorruptError
from Medical_KG_rev.extraction.lexicon.readers.mesh import heading_types, supplementary_types
from Medical_KG_rev.extraction.lexicon.terms import NameKind, Term
from Medical_KG_rev.models import EntityType

__all__ = ["read_collected_diseases", "read_collected_drugs"]

_SHORTEST = 5
"""Letters: shorter names are acronyms, whose capitals are lost here."""


class _PlainUnpickler(pickle.Unpickler):
    """Numbers, texts, lists and dictionaries alone."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}")


def read_collected_drugs(path: Path, descriptors: Path, supplementary: Path) -> Iterator[Term]:
    return _terms(
        _load(path), "drug", EntityType.CHEMICAL, heading_types(descriptors), supplementary_types(descriptors, supplementary)
    )


def read_collected_diseases(path: Path, descriptors: Path) -> Iterator[Term]:
    return _terms(_load(path), "disease", EntityType.DISEASE, heading_types(descriptors), {})


def _terms(
    collection: dict[str, Any],
    word: str,
    kind: EntityType,
    headings: Mapping[str, tuple[str, EntityType]],
    supplementary: Mapping[str, tuple[str, EntityType]],
) -> Iterator[Term]:
    names: dict[str, list[tuple[str, NameKind]]] = {}
    details = collection[f"{word}_variant_to_variant_data"]
    for name, meanings in collection[f"{word}_variant_to_canonical"].items():
        if len(name) >= _SHORTEST and not name.isdigit():
            brand = details.get(name, {}).get("is_brand")
            for meaning in meanings:
                names.setdefault(meaning, []).append((name, NameKind.BRAND if brand else NameKind.SYNONYM))
    for meaning, about in collection[f"{word}_canonical_to_data"].items():
        if meaning not in names:
            continue
        label = about["name"].lower()
        drug = f"DRUGBANK:{about['drugbank_id']}" if "drugbank_id" in about else ""
        curie, found = headings.get(label, ("", kind)) if "mesh_id" in about else supplementary.get(label, ("", kind))
        if found is not kind:
            continue
        if curie:
            yield Term(curie, kind, names[meaning], (drug,) if drug and "mesh_id" in about else ())
        elif drug:
            yield Term(drug, kind, names[meaning])


def _load(path: Path) -> dict[str, Any]:
    try:
        with bz2.open(path) as file:
            loaded: dict[str, Any] = _PlainUnpickler(file).load()
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        raise ModelCorruptError(f"{path.name} is no plain dictionary: {error}.") from error
    return loaded
