"""An encoder's view of tokens, as symbols: the groups, coarse and fine, that the state of each token falls into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.extraction.analysis import AnalysedText

__all__ = ["StateGroups", "TokenStates"]

Floats = NDArray[np.float32]


class TokenStates(Protocol):
    """An encoder that tells the state of each token."""

    @property
    def fingerprint(self) -> str:
        """Changes with the encoder's bytes."""

    def of(self, text: str, starts: Sequence[int], ends: Sequence[int], sentences: Sequence[tuple[int, int]]) -> Floats:
        """Tokens x dimension; token *i* is ``text[starts[i]:ends[i]]``, sentences are ranges of tokens."""


@dataclass(frozen=True)
class StateGroups:
    """``mean`` (dimension) is taken off, ``projection`` is dimension x axes, ``centres`` are groups x axes for each grouping."""

    mean: Floats
    projection: Floats
    centres: tuple[Floats, ...]

    @classmethod
    def of_arrays(cls, arrays: Any) -> StateGroups | None:
        """From the arrays that :meth:`arrays` gave; None where there are none. Raises KeyError or ValueError."""
        if "state_mean" not in arrays:
            return None
        mean, projection = (arrays[name].astype(np.float32) for name in ("state_mean", "state_projection"))
        centres = tuple(arrays[f"state_centres_{number}"].astype(np.float32) for number in range(2))
        if projection.shape[0] != len(mean) or any(each.ndim != 2 or each.shape[1] != projection.shape[1] for each in centres):
            raise ValueError("the groups of states do not fit together")
        return cls(mean, projection, centres)

    def arrays(self) -> dict[str, NDArray[np.float16]]:
        """To be saved, by name."""
        centres = {f"state_centres_{number}": each for number, each in enumerate(self.centres)}
        named = {"state_mean": self.mean, "state_projection": self.projection, **centres}
        return {name: array.astype(np.float16) for name, array in named.items()}

    def symbols(self, states: Floats) -> list[str]:
        """For each token the nearest centre in each grouping."""
        reduced = (states - self.mean) @ self.projection
        nearest = [(2 * reduced @ each.T - (each * each).sum(axis=1)).argmax(axis=1).tolist() for each in self.centres]
        return [" ".join(map(str, numbers)) for numbers in zip(*nearest, strict=True)]

    def stream(self, text: AnalysedText, states: TokenStates) -> list[str]:
        """The symbols of a text's tokens."""
        return self.symbols(states.of(text.text, text.starts, text.ends, text.sentences)) if text.words else []
