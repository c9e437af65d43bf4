"""What is left out where no corpus' convention is asked for: names that annotators mark, and that tell a reader nothing."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Protocol

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.grounding.acceptance import is_near_gene_cue, is_ordinary
from Medical_KG_rev.extraction.grounding.document import AGAINST_DEFINITION
from Medical_KG_rev.extraction.grounding.variants import find_variants
from Medical_KG_rev.extraction.spans import FoundMention
from Medical_KG_rev.models import EntityType

__all__ = ["informative", "methods_of_research"]

_PEOPLE = "NCBITaxon:9606"
_PEOPLE_BY_NAME = frozenset({"human", "humans", "homo sapiens", "h. sapiens", "h sapiens"})
_MEASURES = frozenset({"fev", "fev1", "fev-1", "fev 1", "co2"})
"""What trials measure, and a gene's symbol besides."""
_FILTRATION = "eGFR"
"""The estimated glomerular filtration rate, which only its first letter tells from the growth factor's receptor."""

_METHODS, _BODY_MEASURES = ("MESH:D004812", "MESH:D012107"), "MESH:D000886"
_SHORT_SYMBOL = 3
_COUNTED = re.compile(
    r"(?:fig|figure|arm|part|group|grade|stage|phase|step|cohort)s?[\s-]?(?:\d{1,2}[a-h]?|[IVX]{1,4})", re.IGNORECASE
)
"""Which one of several: an arm, a figure."""
_PER_UNIT = re.compile(r"(?:min|[hdsLlgm]|[mdk]?[lLg]|[mck]m|kg)\s?[-\u2013\u2212]\s?[123]")
_CLUSTER = re.compile(r"CD\d{1,2}")
_VERTEBRA = re.compile(r"[CTLS]\d{1,2}")
_OF_THE_SPINE = re.compile(r"vertebra|lumb|cervical (?:dis[ck]|spine)|spinal|sacral|herniat", re.IGNORECASE)


class Hierarchy(Protocol):
    """Knows what is directly above and what is anywhere below an id."""

    def narrower(self, curie: str) -> frozenset[str]: ...
    def broader(self, curie: str) -> tuple[str, ...]: ...


def methods_of_research(lexicon: Hierarchy) -> frozenset[str]:
    """How studies are made and counted, which nobody does to a patient: randomisation, confidence intervals, sample size."""
    below = frozenset().union(*(lexicon.narrower(root) for root in _METHODS))
    known, kept = below.union(_METHODS), lexicon.narrower(_BODY_MEASURES)
    return frozenset(curie for curie in below - kept if known.issuperset(lexicon.broader(curie)))


def informative(text: AnalysedText, mentions: Sequence[FoundMention], methods: Collection[str]) -> list[FoundMention]:
    """The mentions that tell a reader something.

    Left out are

    - patients, women, participants, …, all of whom are Homo sapiens;
    - ``methods`` of research, which vocabularies have among the procedures;
    - supposed genes that no vocabulary knows, or that the text itself defines as something else: product codes, sets of
      analysis, schedules; that are ordinary words, numbered arms and figures, units, or vertebrae; symbols of up to three signs
      that the text nowhere defines nor has beside a word for what genes are or do (a cluster of differentiation apart);
    - supposed variants that are not written as variants are.
    """
    spinal = _OF_THE_SPINE.search(text.text) is not None
    surfaces = [text.text[mention.start : mention.end] for mention in mentions]
    told = [pair for pair in zip(surfaces, mentions, strict=True) if _tells(*pair, methods, spinal)]
    doubtful = {surface for surface, mention in told if _is_doubtful_symbol(surface, mention)}
    doubtful -= {definition.short for definition in text.abbreviations}
    doubtful -= {surface for surface, mention in told if surface in doubtful and _is_spoken_of_as_gene(text, mention)}
    return [mention for surface, mention in told if mention.type is not EntityType.GENE or surface not in doubtful]


def _tells(surface: str, mention: FoundMention, methods: Collection[str], spinal: bool) -> bool:
    match mention.type:
        case EntityType.SPECIES:
            return mention.id != _PEOPLE or surface.casefold() in _PEOPLE_BY_NAME
        case EntityType.PROCEDURE:
            return mention.id not in methods
        case EntityType.GENE:
            known = mention.candidates[0].reason if mention.candidates else AGAINST_DEFINITION
            return not known.startswith(AGAINST_DEFINITION) and not _is_no_gene(surface, spinal)
        case EntityType.VARIANT:
            return bool(mention.candidates) or next(find_variants(f"{surface} mutation"), None) == (0, len(surface))
        case _:
            return True


def _is_no_gene(surface: str, spinal: bool) -> bool:
    return (
        surface.casefold() in _MEASURES
        or surface.startswith(_FILTRATION)
        or (is_ordinary(surface) and not surface.isupper())
        or _COUNTED.fullmatch(surface) is not None
        or _PER_UNIT.fullmatch(surface) is not None
        or (spinal and _VERTEBRA.fullmatch(surface) is not None)
    )


def _is_doubtful_symbol(surface: str, mention: FoundMention) -> bool:
    """Whether it is so short that it may be anything, and a symbol of a single human gene if it is one."""
    return len(surface) <= _SHORT_SYMBOL and str(mention.id).startswith("NCBIGene:") and not _CLUSTER.fullmatch(surface)


def _is_spoken_of_as_gene(text: AnalysedText, mention: FoundMention) -> bool:
    return is_near_gene_cue(text, bisect_left(text.starts, mention.start), bisect_left(text.starts, mention.end))
