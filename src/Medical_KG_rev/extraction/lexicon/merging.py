"""Joins what several sources say of the same concept, by published mappings alone."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Clusters", "prefix"]


def prefix(curie: str) -> str:
    return curie.partition(":")[0]


class Clusters:
    """Ids that mean the same.

    A cluster never holds two ids of one vocabulary: a mapping that would join two is not one to one, and is left out.
    """

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._members: dict[str, dict[str, str]] = {}

    def add(self, curie: str) -> None:
        if curie not in self._parent:
            self._parent[curie] = curie
            self._members[curie] = {prefix(curie): curie}

    def root(self, curie: str) -> str:
        found = curie
        while self._parent[found] != found:
            found = self._parent[found]
        while self._parent[curie] != found:
            self._parent[curie], curie = found, self._parent[curie]
        return found

    def join(self, one: str, other: str) -> bool:
        """Whether the two are one concept now; False when that would join two ids of one vocabulary."""
        first, second = self.root(one), self.root(other)
        if first == second:
            return True
        if self._members[first].keys() & self._members[second].keys():
            return False
        self._parent[second] = first
        self._members[first] |= self._members.pop(second)
        return True

    def members(self, curie: str) -> Iterable[str]:
        return self._members[self.root(curie)].values()

    def roots(self) -> Iterable[str]:
        return self._members
