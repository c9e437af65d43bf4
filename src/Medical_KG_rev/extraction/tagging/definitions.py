"""What a text says that a short form stands for, against what the weights take it for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence

from Medical_KG_rev.extraction.abbreviations import variants
from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.lexicon import LexiconMatch
from Medical_KG_rev.extraction.tagging.spans import TaggedSpan
from Medical_KG_rev.models import EntityType

_HELD = frozenset({EntityType.DISEASE, EntityType.CHEMICAL})
"""A gene is often named by what no weights know for one (`insulin-like 3 (INSL3)`); diseases and chemicals seldom are."""

_OF_A_GENE = frozenset({"allele", "enzyme", "gene", "kinase", "loci", "locus", "mrna", "protein", "receptor"})
"""Last words of long forms that stand for a gene or its product, whatever the words before them name."""


def as_defined(text: AnalysedText, matches: Sequence[LexiconMatch], spans: Sequence[TaggedSpan]) -> list[TaggedSpan]:
    """Without the diseases and chemicals that the text defines as something else.

    A short form is one only where a long form that the text gives for it holds a name of its type, tagged or in the lexicon,
    and does not end in a word such as `gene`: after `the von Hippel-Lindau tumor suppressor gene (VHL)` no `VHL` is a disease.

    ``matches`` and ``spans`` are those of the whole text, in its order; spans do not overlap.
    """
    meanings = _meanings(text, matches, spans)
    return [
        span
        for span in spans
        if span.type not in _HELD or span.type in meanings.get(text.text[span.start : span.end], {span.type})
    ]


def _meanings(text: AnalysedText, matches: Sequence[LexiconMatch], spans: Sequence[TaggedSpan]) -> dict[str, set[EntityType]]:
    """What the long forms of each short form name, by the short form's spellings."""
    tagged, known = [span.start for span in spans], [match.first for match in matches]
    meanings: dict[str, set[EntityType]] = defaultdict(set)
    for abbreviation in text.abbreviations:
        start, end = abbreviation.long_start, abbreviation.long_end
        types: set[EntityType] = set()
        if not _is_of_a_gene(text.text[start:end]):
            first, last = bisect_left(text.starts, start), bisect_left(text.starts, end)
            reaching = spans[max(bisect_right(tagged, start) - 1, 0) : bisect_left(tagged, end)]
            within = matches[bisect_left(known, first) : bisect_left(known, last)]
            types.update(span.type for span in reaching if span.end > start)
            types.update(kind for match in within if match.last <= last for kind in match.types)
        for spelling in (abbreviation.short, *variants(abbreviation.short)):
            meanings[spelling] |= types
    return meanings


def _is_of_a_gene(long_form: str) -> bool:
    last_word = long_form.rsplit(None, 1)[-1].lower()
    return last_word in _OF_A_GENE or last_word.removesuffix("s") in _OF_A_GENE
