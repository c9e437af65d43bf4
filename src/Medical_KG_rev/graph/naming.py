"""Which of several entities that share a name is meant."""

from __future__ import annotations

from collections.abc import Sequence

from Medical_KG_rev.graph.results import EntityRef
from Medical_KG_rev.models import EntityType

__all__ = ["meant"]

_OF_RECORDS = frozenset(
    (
        EntityType.STUDY,
        EntityType.PUBLICATION,
        EntityType.TEXT,
        EntityType.STUDY_ARM,
        EntityType.OUTCOME,
        EntityType.INTERVENTION,
        EntityType.ORGANIZATION,
    )
)
_OWN = "MK:"


def meant(found: Sequence[EntityRef]) -> tuple[EntityRef, ...]:
    """The one that a vocabulary knows, where there is one alone: erlotinib, and not an arm of a trial that is called so too."""
    known = tuple(entity for entity in found if entity.type not in _OF_RECORDS and not entity.id.startswith(_OWN))
    return known if len(known) == 1 else tuple(found)
