"""What a source says of a concept, before sources are joined; and what the lexicon says of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from Medical_KG_rev.models import EntityType

__all__ = ["Concept", "LexiconName", "NameKind", "Term"]


class NameKind(IntEnum):
    """What sort of name it is; the lower, the more it stands for the concept."""

    PREFERRED = 0
    SYNONYM = 1
    SYMBOL = 2
    """A gene symbol, or a code for a cell line or a drug."""
    BRAND = 3


@dataclass(slots=True)
class Term:
    """One entry of one source.

    ``names``: the preferred one first. ``same``: ids that the source, or a published mapping, says are the same concept.
    ``xrefs``: ids of vocabularies that are not part of the lexicon. ``parents``: broader concepts.
    """

    id: str
    type: EntityType
    names: list[tuple[str, NameKind]]
    same: tuple[str, ...] = ()
    xrefs: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LexiconName:
    """A name of a concept. ``concept`` is its canonical CURIE. ``needs_case``: it counts only in the letter case it has here."""

    name: str
    concept: str
    type: EntityType
    kind: NameKind
    source: str
    needs_case: bool


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept with all its names.

    ``xrefs``: the merged ids and those of other vocabularies. ``sources`` and ``licences``: of its names, in the order of the
    sources' table.
    """

    id: str
    type: EntityType
    name: str
    names: tuple[LexiconName, ...]
    xrefs: tuple[str, ...]
    sources: tuple[str, ...]
    licences: tuple[str, ...]
