"""What a tagger finds."""

from __future__ import annotations

from dataclasses import dataclass

from Medical_KG_rev.models import EntityType


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """``text[start:end]`` names something of ``type``. ``score``: probability of its least sure token."""

    start: int
    end: int
    type: EntityType
    score: float
