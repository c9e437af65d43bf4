"""Spaces and their segments, as the catalogue knows them.

A *space* is one kind of data about every chunk, made by one model: dense vectors, sparse vectors, or facets. Its rows lie in
immutable *segments*, each named by the generation that made it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["dense", "sparse", "facets"]

KINDS: tuple[Kind, ...] = ("dense", "sparse", "facets")
SUFFIXES = {"dense": "faiss", "sparse": "impacts", "facets": "facets"}

State = Literal["active", "building", "retired"]
"""Searched; being made beside the active one of its kind; no longer searched, kept for a return."""


class Space(msgspec.Struct, frozen=True):
    """``name`` is ``<kind>-<generation that made it>``; ``dimension`` is 0 where it means nothing."""

    name: str
    kind: Kind
    model: str
    fingerprint: str
    dimension: int
    state: State = "active"


class Segment(msgspec.Struct, frozen=True):
    """One immutable file of a space. ``dead`` of its ``rows`` are superseded."""

    space: str
    generation: int
    sha256: str
    rows: int
    dead: int = 0

    @property
    def live(self) -> int:
        return self.rows - self.dead

    @property
    def kind(self) -> str:
        return self.space.partition("-")[0]

    @property
    def file(self) -> str:
        """The name of its file."""
        return file_name(self.space, self.generation)


def file_name(space: str, generation: int) -> str:
    return f"{generation}-{space}.{SUFFIXES[space.partition('-')[0]]}"


def generation_of(name: str) -> int:
    """The generation that made a segment file; 0 for a file of another name."""
    number = name.partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() else 0
