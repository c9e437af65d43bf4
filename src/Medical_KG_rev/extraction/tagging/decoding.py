"""Linear-chain decoding of all sentences of a text at once: the best labels, and how sure each is.

Sentences are laid out by time: first the first tokens of all sentences, the longest sentence first, then the second tokens, and
so on. So a step of the chain is one array operation over the sentences that reach it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["FORBIDDEN", "Layout", "Scheme", "best_labels", "label_probabilities", "spelled"]

FORBIDDEN = np.float32(-1e4)
"""Log weight of what cannot be."""


@dataclass(frozen=True)
class Scheme:
    """Labels ``O``, ``B-x``, ``I-x``, ``E-x``, ``S-x`` for the types ``x``: outside, begin, inside, end and single."""

    types: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return ("O", *(f"{place}-{kind}" for kind in self.types for place in "BIES"))

    def allowed(self) -> NDArray[np.bool_]:
        """Which label may follow which, by row and column. A last row: which may begin a sentence."""
        labels = self.labels
        table = np.zeros((len(labels) + 1, len(labels)), bool)
        for row, before in enumerate((*labels, "O")):
            for column, after in enumerate(labels):
                is_open = before[0] in "BI"
                table[row, column] = (after[0] in "IE" and after[1:] == before[1:]) if is_open else after[0] in "OBS"
        return table


@dataclass(frozen=True)
class Layout:
    """``order``: the token at each place of the layout. ``steps``: first place and number of sentences of each step."""

    order: NDArray[np.int64]
    steps: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, sentences: Sequence[tuple[int, int]]) -> Layout:
        """The layout of ranges of tokens, none of them empty."""
        ranges = np.array(sentences, np.int64).reshape(-1, 2)
        lengths = ranges[:, 1] - ranges[:, 0]
        by_length = np.argsort(-lengths, kind="stable")
        lengths, starts = lengths[by_length], ranges[by_length, 0]
        order: list[NDArray[np.int64]] = []
        steps: list[tuple[int, int]] = []
        place = 0
        for time in range(int(lengths[0]) if len(lengths) else 0):
            count = int(np.searchsorted(-lengths, -time, side="left"))
            order.append(starts[:count] + time)
            steps.append((place, count))
            place += count
        return cls(np.concatenate(order) if order else np.empty(0, np.int64), tuple(steps))


def best_labels(emissions: NDArray[np.float32], transitions: NDArray[np.float32], layout: Layout) -> NDArray[np.int64]:
    """Viterbi. ``emissions``: tokens x labels, log weights; ``transitions``: labels x labels, and a last row for the start.

    Returns a label for each token.
    """
    scores = emissions[layout.order]
    count, labels = scores.shape
    back = np.zeros((count, labels), np.int16)
    steps = layout.steps
    if steps:
        scores[: steps[0][1]] += transitions[-1]
    for (before, _), (place, width) in pairwise(steps):
        paths = scores[before : before + width, :, None] + transitions[:-1]
        back[place : place + width] = paths.argmax(axis=1)
        scores[place : place + width] += paths.max(axis=1)
    best = np.empty(count, np.int64)
    following, going_on = 0, 0
    for place, width in reversed(steps):
        ends = slice(place + going_on, place + width)
        best[ends] = scores[ends].argmax(axis=1)
        best[place : place + going_on] = back[np.arange(following, following + going_on), best[following : following + going_on]]
        following, going_on = place, width
    found = np.empty(count, np.int64)
    found[layout.order] = best
    return found


def label_probabilities(emissions: NDArray[np.float32], transitions: NDArray[np.float32], layout: Layout) -> NDArray[np.float32]:
    """Forward and backward: the probability of each label of each token, tokens x labels."""
    ordered = emissions[layout.order]
    weights: NDArray[np.float32] = np.exp(ordered - ordered.max(axis=1, keepdims=True, initial=FORBIDDEN))
    steps, jumps = layout.steps, np.exp(transitions, dtype=np.float32)
    forward, backward = np.empty_like(weights), np.ones_like(weights)
    scale = np.empty((len(weights), 1), np.float32)
    before: NDArray[np.float32] | None = None
    for place, width in steps:
        here = slice(place, place + width)
        reached = weights[here] * (jumps[-1] if before is None else before[:width] @ jumps[:-1])
        scale[here] = reached.sum(axis=1, keepdims=True)
        forward[here] = reached / scale[here]
        before = forward[here]
    for (earlier, _), (place, width) in reversed(list(pairwise(steps))):
        here = slice(place, place + width)
        backward[earlier : earlier + width] = (weights[here] * backward[here] / scale[here]) @ jumps[:-1].T
    found: NDArray[np.float32] = np.empty_like(weights)
    found[layout.order] = forward * backward
    return found


def spelled(labels: Iterable[str]) -> list[tuple[int, int, str]]:
    """Mentions that labels spell, as first token, last token and type; one that has no end is left out."""
    found: list[tuple[int, int, str]] = []
    begin = -1
    for at, label in enumerate(labels):
        place, _, kind = label.partition("-")
        if place in "BS":
            begin = at
        if place in "ES" and begin >= 0:
            found.append((begin, at, kind))
        if place in "OES":
            begin = -1
    return found
