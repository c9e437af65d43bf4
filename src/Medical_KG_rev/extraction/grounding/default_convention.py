"""What is left out where no corpus' convention is asked for: names that annotators mark, and that tell a reader nothing."""

from __future__ import annotations

from collections.abc import Sequence

from Medical_KG_rev.extraction.grounding.document import AGAINST_DEFINITION
from Medical_KG_rev.extraction.grounding.variants import find_variants
from Medical_KG_rev.extraction.spans import FoundMention
from Medical_KG_rev.models import EntityType

__all__ = ["informative"]

_PEOPLE = "NCBITaxon:9606"
_PEOPLE_BY_NAME = frozenset({"human", "humans", "homo sapiens", "h. sapiens", "h sapiens"})
_MEASURES = frozenset({"fev", "fev1", "fev-1", "fev 1"})
"""What trials measure, and a gene's symbol besides."""


def informative(text: str, mentions: Sequence[FoundMention]) -> list[FoundMention]:
    """The mentions that tell a reader something.

    Left out are

    - patients, women, participants, …, all of whom are Homo sapiens;
    - supposed genes that no vocabulary knows, or that the text itself defines as something else: product codes, sets of
      analysis, schedules;
    - supposed variants that are not written as variants are.
    """
    return [mention for mention in mentions if _tells(text[mention.start : mention.end], mention)]


def _tells(surface: str, mention: FoundMention) -> bool:
    match mention.type:
        case EntityType.SPECIES:
            return mention.id != _PEOPLE or surface.casefold() in _PEOPLE_BY_NAME
        case EntityType.GENE:
            known = mention.candidates[0].reason if mention.candidates else AGAINST_DEFINITION
            return not known.startswith(AGAINST_DEFINITION) and surface.casefold() not in _MEASURES
        case EntityType.VARIANT:
            return bool(mention.candidates) or next(find_variants(f"{surface} mutation"), None) == (0, len(surface))
        case _:
            return True
