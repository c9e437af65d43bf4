"""What the index asks of a lexical store and of a vector store.

Both hold rows by *vid*, a number that the catalogue gives each chunk once and never again. Neither decides what can be found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.index.catalogue import Segment

Scored = list[tuple[int, float]]
"""Vids with their scores, best first; equal scores by vid."""


class LexicalReader(Protocol):
    """A lexicon as it was when it was opened."""

    def search(self, tokens: Sequence[str], limit: int) -> Scored:
        """The best ``limit`` rows by BM25 (k1 1.2, b 0.75) for a disjunction of ``tokens``."""
        ...


class LexicalWriter(Protocol):
    """Changes to one lexicon. Nothing is durable before :meth:`commit`."""

    def add(self, generation: int, rows: Iterable[tuple[int, str]]) -> None:
        """Adds rows: a vid and its tokens with a blank between each two."""
        ...

    def remove(self, vids: Iterable[int]) -> None: ...

    def remove_generation(self, generation: int) -> None:
        """Removes whatever a generation has added."""
        ...

    def commit(self) -> None: ...

    def close(self) -> None:
        """Ends the writer, waiting for merges; what was not committed is dropped."""
        ...


class LexicalStore(Protocol):
    """Named lexicons of one tenant."""

    def writer(self, name: str) -> LexicalWriter:
        """Opens a lexicon for writing, making it where there is none."""
        ...

    def reader(self, name: str) -> LexicalReader: ...

    def drop(self, name: str) -> None:
        """Removes a lexicon; none by that name is no error."""
        ...

    def names(self) -> list[str]: ...


class VectorReader(Protocol):
    """A set of segments, searched as one."""

    @property
    def size(self) -> int: ...

    def search(self, vector: NDArray[np.float32], limit: int) -> Scored:
        """The best ``limit`` rows by inner product, exact."""
        ...


class VectorStore(Protocol):
    """Immutable vector segments of one tenant, named by generation."""

    def write(self, generation: int, vids: NDArray[np.int64], matrix: NDArray[np.float32]) -> Segment:
        """Makes a segment, complete and durable; a half-written one of that generation is overwritten."""
        ...

    def read(self, segment: Segment) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The vids and vectors of a segment, verified against its sha256."""
        ...

    def vids(self, segment: Segment) -> NDArray[np.int64]:
        """The vids alone, without reading the vectors."""
        ...

    def reader(self, segments: Sequence[Segment]) -> VectorReader: ...

    def drop(self, generation: int) -> None:
        """Removes a segment and what was left of making it; none is no error."""
        ...

    def generations(self) -> list[int]: ...
