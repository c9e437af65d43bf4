"""Walks texts and names through the trie of tokens that the file holds; :mod:`.names` says how it is laid out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.lexicon.names import word_hash
from Medical_KG_rev.extraction.lexicon.normal import APOSTROPHES, token_forms
from Medical_KG_rev.extraction.lexicon.storage import ArrayFile

__all__ = ["Trie"]

_UNKNOWN = -1
_CACHED = 200_000
"""Words remembered at most."""
_LONGEST_WORD = 200
"""Characters; what is longer is no word."""


class Trie:
    """State 0 is the root. All starting places of a text walk at once, a token a step, by binary search among the edges."""

    def __init__(self, file: ArrayFile) -> None:
        self._file = file
        self._forms: dict[str, tuple[int, ...]] = {}

    def state_of(self, path: Sequence[str]) -> int:
        """The state that comparable tokens lead to; 0 where no name begins so."""
        edges, words = self._file.array("edge"), len(self._file.array("word_end"))
        state = 0
        for form in path:
            number = self._number(form)
            wanted = np.uint64(state * words + max(number, 0))
            at = int(np.searchsorted(edges, wanted))
            if number == _UNKNOWN or at == len(edges) or edges[at] != wanted:
                return 0
            state = at + 1
        return state

    def paths(self, text: AnalysedText) -> Iterator[tuple[int, int, int]]:
        """Ranges of tokens ``[first, last)`` that spell a name, with its state: by their first token, the longest first.

        They begin and end at the border of a word and lie in one sentence.
        """
        ids, owners = self._numbers(text)
        for start, end, state in self._walk(ids):
            first, last = owners[start], owners[end]
            if owners[start - 1] == first or owners[end + 1] == last or _glued(text, first) or _glued(text, last + 1):
                continue
            yield first, last + 1, state

    def _numbers(self, text: AnalysedText) -> tuple[NDArray[np.int64], list[int]]:
        """Numbers of the comparable tokens, and the token that each comes from; -1 for unknown ones and around sentences."""
        ids: list[int] = []
        owners: list[int] = []
        forms, words = self._forms, text.words
        for first, last in text.sentences:
            ids.append(_UNKNOWN)
            owners.append(_UNKNOWN)
            skipped = -1
            for at in range(first, last):
                word = words[at]
                numbers = forms.get(word)
                if numbers is None:
                    numbers = self._remember(word)
                if len(numbers) == 1:
                    if at != skipped:
                        ids.append(numbers[0])
                        owners.append(at)
                elif numbers:
                    ids += numbers
                    owners += [at] * len(numbers)
                elif word in APOSTROPHES and at + 1 < last and words[at + 1] in ("s", "S"):
                    skipped = at + 1
        ids.append(_UNKNOWN)
        owners.append(_UNKNOWN)
        return np.array(ids, np.int64), owners

    def _remember(self, word: str) -> tuple[int, ...]:
        if len(word) > _LONGEST_WORD:
            return (_UNKNOWN,)
        if len(self._forms) >= _CACHED:
            self._forms.clear()
        numbers = self._forms[word] = tuple(self._number(form) for form in token_forms(word))
        return numbers

    def _number(self, form: str) -> int:
        hashes, numbers = self._file.array("word_hash"), self._file.array("word_number")
        wanted = word_hash(form)
        at = int(np.searchsorted(hashes, np.uint64(wanted)))
        while at < len(hashes) and int(hashes[at]) == wanted:
            if self._file.text("word", int(numbers[at])) == form:
                return int(numbers[at])
            at += 1
        return _UNKNOWN

    def _walk(self, ids: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
        """Where names begin and end (last token included) and the state reached, by begin, the longest first."""
        edges, first = self._file.array("edge"), self._file.array("state_first")
        words = np.uint64(len(self._file.array("word_end")))
        state = self._from_root[ids]
        begin = np.flatnonzero(state)
        state = state[begin]
        end = begin
        found: list[NDArray[np.int64]] = []
        while len(begin):
            named = np.flatnonzero(first[state + 1] > first[state])
            if len(named):
                found.append(np.stack((begin[named], end[named], state[named])))
            end = end + 1
            following = ids[end]
            going = np.flatnonzero(following >= 0)
            begin, end, state, following = begin[going], end[going], state[going], following[going]
            wanted = state.astype(np.uint64) * words + following.astype(np.uint64)
            at = np.searchsorted(edges, wanted)
            at[at == len(edges)] = 0
            going = np.flatnonzero(edges[at] == wanted)
            begin, end, state = begin[going], end[going], at[going] + 1
        if not found:
            return iter(())
        joined = np.concatenate(found, axis=1)
        order = np.lexsort((-joined[1], joined[0]))
        return zip(*joined[:, order].tolist(), strict=True)

    @cached_property
    def _from_root(self) -> NDArray[np.int64]:
        """The state that each token leads to from the root; 0 where no name begins with it. The last is for unknown tokens."""
        edges, words = self._file.array("edge"), len(self._file.array("word_end"))
        first = edges[: int(np.searchsorted(edges, np.uint64(words)))].astype(np.int64)
        states = np.zeros(words + 1, np.int64)
        states[first] = np.arange(1, len(first) + 1, dtype=np.int64)
        return states


def _glued(text: AnalysedText, at: int) -> bool:
    """Whether token ``at`` goes on the word of the token before."""
    if not 0 < at < len(text.words) or text.starts[at] != text.ends[at - 1]:
        return False
    return text.words[at][0].isalnum() and text.words[at - 1][-1].isalnum()
