"""Groups of an encoder's token states: principal axes, then k-means with few and with many centres."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import faiss
import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.tagging import StateGroups, TokenStates

_AXES, _GROUPS, _SEED = 96, (150, 1000), 1
_EVERY = 5
"""So many tokens, one is looked at."""


class RememberedStates:
    """States that are computed once for each text."""

    def __init__(self, states: TokenStates) -> None:
        self._states = states
        self._known: dict[str, NDArray[np.float16]] = {}
        self.fingerprint = states.fingerprint

    def of(
        self, text: str, starts: Sequence[int], ends: Sequence[int], sentences: Sequence[tuple[int, int]]
    ) -> NDArray[np.float32]:
        """As the encoder, for a whole text."""
        known = self._known.get(text)
        if known is None or len(known) != len(starts):
            known = self._known[text] = self._states.of(text, starts, ends, sentences).astype(np.float16)
        return known.astype(np.float32)


def state_groups(states: TokenStates, texts: Iterable[AnalysedText]) -> StateGroups:
    """From the tokens of these texts."""
    seen = np.concatenate([states.of(text.text, text.starts, text.ends, text.sentences)[::_EVERY] for text in texts])
    mean = _rounded(seen.mean(axis=0))
    seen = seen - mean
    _, axes = np.linalg.eigh(seen.T @ seen / len(seen))
    projection = _rounded(axes[:, ::-1][:, :_AXES])
    reduced = seen @ projection
    faiss.omp_set_num_threads(1)
    centres = []
    for groups in _GROUPS:
        means = faiss.Kmeans(_AXES, groups, niter=10, seed=_SEED, max_points_per_centroid=80, min_points_per_centroid=1)
        means.train(reduced)
        centres.append(_rounded(means.centroids))
    return StateGroups(mean, projection, tuple(centres))


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values.astype(np.float16).astype(np.float32)
