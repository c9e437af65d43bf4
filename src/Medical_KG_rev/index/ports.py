"""What the index asks of a lexical store and of a vector store.

Both hold rows by *vid*, a number that the catalogue gives each chunk once and never again. Neither decides what can be found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.index.filters import EVERYTHING, Filter
from Medical_KG_rev.models import SparseVector

Scored = list[tuple[int, float]]
"""Vids with their scores, best first; equal scores by vid."""

MAX_QUERY_TERMS = 512
"""Different tokens of a query that a lexical store looks for; the first ones count."""


class Row(NamedTuple):
    """A chunk as stores keep it: its tokens with a blank between each two, its facets, its day (``yyyymmdd``; 0: none)."""

    vid: int
    tokens: str
    facets: tuple[str, ...]
    day: int
    sparse: SparseVector | None = None
    """Given to stores that hold learned sparse vectors beside the text."""


class LexicalReader(Protocol):
    """A lexicon as it was when it was opened, or, on a server, as it is now."""

    def search(self, tokens: Sequence[str], limit: int, wanted: Filter = EVERYTHING) -> Scored:
        """The best ``limit`` of the wanted rows by BM25 (k1 1.2, b 0.75) for a disjunction of ``tokens``.

        The filter changes no score. A row without a day is in no range of days.
        """
        ...


class LexicalWriter(Protocol):
    """Changes to one lexicon. Nothing need be durable or seen before :meth:`commit`."""

    def add(self, generation: int, rows: Iterable[Row]) -> None: ...

    def remove(self, vids: Iterable[int]) -> None: ...

    def remove_generation(self, generation: int) -> None:
        """Removes whatever a generation has added."""
        ...

    def commit(self) -> None: ...

    def close(self) -> None:
        """Ends the writer, waiting for merges. What was not committed is dropped, or stays until its generation is removed."""
        ...


class LexicalStore(Protocol):
    """Named lexicons of one tenant."""

    def writer(self, name: str) -> LexicalWriter:
        """Opens a lexicon for writing, making it where there is none."""
        ...

    def reader(self, name: str) -> LexicalReader: ...

    def vids(self, name: str) -> NDArray[np.int64]:
        """The vids of all rows of a lexicon, committed by whichever generation, ascending."""
        ...

    def drop(self, name: str) -> None:
        """Removes a lexicon; none by that name is no error."""
        ...

    def names(self) -> list[str]: ...


class VectorReader(Protocol):
    """Dense vectors as they were when they were opened."""

    def search(self, vector: NDArray[np.float32], limit: int, wanted: Filter = EVERYTHING) -> Scored:
        """The best ``limit`` of the wanted rows by inner product, exact."""
        ...


class SparseReader(Protocol):
    """Learned sparse vectors as they were when they were opened."""

    def search(self, query: SparseVector, limit: int, wanted: Filter = EVERYTHING) -> Scored:
        """The best ``limit`` rows by dot product, exact on weights of 16-bit floats (a server may keep fewer bits)."""
        ...


class SegmentFiles(Protocol):
    """Immutable files by name, in a folder or in an object store with a local copy to map into memory."""

    def write(self, name: str, content: bytes) -> str:
        """Makes the file, complete and durable, and answers its sha256; one of that name is overwritten."""
        ...

    def open(self, name: str, sha256: str) -> Path:
        """Where the file can be mapped from.

        Raises:
            IndexMismatchError: it is missing, or a copy just brought is not the one that the catalogue knows.
            StoreUnavailableError: the object store cannot be reached.
        """
        ...

    def read(self, name: str, sha256: str) -> bytes:
        """The whole content, verified. Raises as :meth:`open` does."""
        ...

    def drop(self, *names: str) -> None:
        """Removes the files, for good, and what was left of making them; one that is not there is no error."""
        ...

    def names(self) -> list[str]: ...
