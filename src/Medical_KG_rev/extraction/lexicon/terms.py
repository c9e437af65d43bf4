"""What a source says of a concept, before sources are joined; and what the lexicon says of it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from Medical_KG_rev.models import EntityType

__all__ = ["TYPES", "Concept", "LexiconName", "NameKind", "Term", "Use"]

TYPES = tuple(EntityType)
"""In the order by which the file numbers them; the file names them too."""


class NameKind(IntEnum):
    """What sort of name it is; the lower, the more it stands for the concept."""

    PREFERRED = 0
    SYNONYM = 1
    SYMBOL = 2
    """A gene symbol, or a code for a cell line or a drug."""
    BRAND = 3


class Use(IntEnum):
    """Where a spelling counts as a name."""

    ANY_CASE = 0
    OWN_CASE = 1
    """Only in its own letter case."""
    LOOKED_UP = 2
    """Never in running text, where it is a common word: only when it is asked for."""


@dataclass(slots=True)
class Term:
    """One entry of one source.

    ``names``: the preferred one first. ``same``: ids that the source, or a published mapping, says are the same concept.
    ``xrefs``: ids of vocabularies that are not part of the lexicon. ``parents``: broader concepts. ``former``: ids of the same
    vocabulary that it had before.
    """

    id: str
    type: EntityType
    names: list[tuple[str, NameKind]]
    same: tuple[str, ...] = ()
    xrefs: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    former: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LexiconName:
    """A name of a concept. ``concept`` is its canonical CURIE."""

    name: str
    concept: str
    type: EntityType
    kind: NameKind
    source: str
    use: Use

    @property
    def needs_case(self) -> bool:
        """Whether it counts only in the letter case that it has here."""
        return self.use is not Use.ANY_CASE


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
