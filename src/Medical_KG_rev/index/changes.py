"""What one generation of an index is to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from Medical_KG_rev.index.facets import FacetRow
from Medical_KG_rev.index.formats import Rows, Vids
from Medical_KG_rev.index.spaces import Kind, Space
from Medical_KG_rev.models import Chunk


@dataclass(frozen=True)
class NewDocument:
    """A document as it is to be from now on; ``facets`` are those of its chunks."""

    doc_id: str
    version: str
    digest: bytes
    chunks: tuple[Chunk, ...]
    facets: tuple[FacetRow, ...]


class NewRows(NamedTuple):
    """Rows of one kind for the chunks of a change, in order, and the model that made them."""

    model: str
    fingerprint: str
    dimension: int
    rows: Rows


class Addition(NamedTuple):
    """Rows for chunks that are there already."""

    space: Space
    vids: Vids
    rows: Rows


@dataclass(frozen=True)
class Change:
    """What one generation is to do.

    ``vectors`` has a row per chunk of ``documents`` and kind; they go to the active space of their kind, and take its place
    where it was made by another model. ``additions`` fill spaces beside. ``spaces`` are new or in another state, ``dropped`` go
    with all their segments. ``renew_lexicon`` makes the lexicon anew from the chunks.

    Of the spaces that get no new rows, ``fold`` makes one segment of those that are due, ``purge`` rewrites every segment that
    holds a row which becomes superseded, and ``compact`` rewrites everything; the last two leave no clean-up for later.
    """

    documents: Sequence[NewDocument] = ()
    vectors: Mapping[Kind, NewRows] = field(default_factory=dict)
    removed: Sequence[str] = ()
    additions: Sequence[Addition] = ()
    spaces: Sequence[Space] = ()
    dropped: Sequence[Space] = ()
    lost: Sequence[tuple[str, int]] = ()
    """Segments (space, generation) that cannot be read: struck off, whatever they held."""
    meta: Mapping[str, str] = field(default_factory=dict)
    fold: bool = False
    purge: bool = False
    compact: bool = False
    renew_lexicon: bool = False

    @property
    def chunks(self) -> list[Chunk]:
        return [chunk for document in self.documents for chunk in document.chunks]

    @property
    def facets(self) -> list[FacetRow]:
        return [facets for document in self.documents for facets in document.facets]

    @property
    def replaced(self) -> list[str]:
        """Documents whose present chunks become superseded."""
        return [*self.removed, *(document.doc_id for document in self.documents)]
