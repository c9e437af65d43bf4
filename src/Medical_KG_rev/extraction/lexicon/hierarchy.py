"""What is narrower and broader than a concept, by the numbers of concepts."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.extraction.lexicon.storage import ArrayFile

__all__ = ["Hierarchy"]


class Hierarchy:
    """Reads the pairs of the file: ``child[child_first[n]:child_first[n + 1]]`` is directly below concept ``n``."""

    def __init__(self, file: ArrayFile) -> None:
        self._file = file

    def below(self, concept: int) -> set[int]:
        """All concepts below one, itself left out."""
        first, child = self._file.array("child_first"), self._file.array("child")
        seen = {concept}
        waiting = [concept]
        while waiting:
            one = waiting.pop()
            below = set(child[first[one] : first[one + 1]].tolist()) - seen
            seen |= below
            waiting += below
        return seen - {concept}

    def above(self, concept: int) -> list[int]:
        """The concepts directly above one, in order."""
        children, parents = self._upwards
        ends = np.array((concept, concept + 1), children.dtype)  # of another type, they would have the whole array converted
        first, last = np.searchsorted(children, ends)
        found: list[int] = parents[first:last].tolist()
        return found

    @cached_property
    def _upwards(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The concepts that are below another, in order, and what each is directly below."""
        children = self._file.array("child")
        order = np.argsort(children, kind="stable")
        return children[order], np.searchsorted(self._file.array("child_first"), order, side="right") - 1
