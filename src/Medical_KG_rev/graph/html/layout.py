"""Places of nodes: rings around the centre, each entity outside the one that led to it, its name written outwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

LEAF_WIDTH = 18.0
"""Along the outermost ring, for each leaf: a line of text and some air."""
RING_WIDTH = 205.0
FIRST_RING = 170.0


class Place(NamedTuple):
    """``x`` and ``y`` from the centre, ``angle`` in radians, clockwise from the right."""

    x: float
    y: float
    angle: float
    radius: float


def radial(order: Sequence[str], parents: Mapping[str, str], groups: Mapping[str, str]) -> dict[str, Place]:
    """Places for the nodes of the tree that ``parents`` give, its root the first of ``order``; siblings of a group together."""
    root, *others = order
    known = set(order)
    children: dict[str, list[str]] = {name: [] for name in order}
    for name in others:
        parent = parents.get(name, root)
        children[parent if parent in known else root].append(name)
    for found in children.values():
        found.sort(key=lambda name: (groups.get(name, ""), name))
    leaves = _leaves(order, children)
    first = max(FIRST_RING, leaves[root] * LEAF_WIDTH / (2 * math.pi))
    places = {root: Place(0.0, 0.0, 0.0, 0.0)}
    waiting = [(root, -math.pi / 2, 2 * math.pi, 0)]
    while waiting:
        name, start, span, depth = waiting.pop()
        radius = first + RING_WIDTH * depth
        for child in children[name]:
            width = span * leaves[child] / leaves[name]
            angle = start + width / 2
            places[child] = Place(round(radius * math.cos(angle), 1), round(radius * math.sin(angle), 1), angle, radius)
            waiting.append((child, start, width, depth + 1))
            start += width
    return places


def _leaves(order: Sequence[str], children: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Leaves below each node. Nodes come after their parents, so that the reverse order meets children first."""
    leaves: dict[str, int] = {}
    for name in reversed(_top_down(order[0], children)):
        leaves[name] = sum(leaves[child] for child in children[name]) or 1
    return leaves


def _top_down(root: str, children: Mapping[str, Sequence[str]]) -> list[str]:
    found = [root]
    for name in found:
        found.extend(children[name])
    return found
