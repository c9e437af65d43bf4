"""What is found in one text: mentions with what they may mean, and claims with the ranges that say so.

All offsets are character offsets into the text, end exclusive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from Medical_KG_rev.models import Certainty, EntityType


@dataclass(frozen=True, slots=True)
class Context:
    """How a text speaks of something that it names.

    ``expected``: hypothetical only in that it is feared, prevented or looked for (`raised the risk of stroke`); what a text
    claims about it may nevertheless be stated.
    """

    negated: bool = False
    certainty: Certainty = Certainty.STATED
    family: bool = False
    historical: bool = False
    expected: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a mention may mean. ``id`` is a CURIE in canonical spelling, ``score`` in [0, 1], ``reason`` for people."""

    id: str
    name: str
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class FoundMention:
    """A range that names an entity. ``candidates``: the best first; empty when nothing is sure enough (NIL).

    ``also``: what a coordination names besides the best candidate, as "breast and ovarian cancer" names two diseases.
    """

    start: int
    end: int
    type: EntityType
    score: float
    found_by: str
    candidates: tuple[Candidate, ...] = ()
    context: Context = Context()
    also: tuple[Candidate, ...] = ()

    @property
    def id(self) -> str | None:
        """CURIE of the best candidate."""
        return self.candidates[0].id if self.candidates else None

    @property
    def ids(self) -> tuple[str, ...]:
        """CURIEs of all that it names: mostly one, none for NIL."""
        return (self.candidates[0].id, *(other.id for other in self.also)) if self.candidates else ()


@dataclass(frozen=True, slots=True)
class FoundClaim:
    """A relation that a text states between two entities, or between one and a ``value``.

    ``subject`` and ``object`` are ids of mentions of the same text. ``evidence`` holds the ranges that say so, never empty.
    ``method`` names what found it.
    """

    subject: str
    predicate: str
    object: str | None
    evidence: tuple[tuple[int, int], ...]
    score: float
    method: str
    value: str | None = None
    negated: bool = False
    certainty: Certainty = Certainty.STATED
    qualifiers: Mapping[str, Any] = field(default_factory=dict)
