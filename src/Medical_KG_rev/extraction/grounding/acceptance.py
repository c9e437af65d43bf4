"""Which of the lexicon's matches name something: rules for ordinary words, ambiguous symbols, and what is no running text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files

import msgspec

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.grounding.document import Span
from Medical_KG_rev.extraction.lexicon import LexiconMatch, LexiconName, NameKind
from Medical_KG_rev.models import EntityType

__all__ = [
    "addresses",
    "glued_to_code",
    "in_company",
    "is_near_gene_cue",
    "is_ordinary",
    "lexicon_spans",
    "program_share",
]

_ADDRESS = re.compile(
    r"(?:https?://|ftp://|www\.)[^\s<>\"]+|[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}|(?<!\w)(?:doi:\s*)?10\.\d{4,9}/[^\s<>\"]+",
    re.IGNORECASE,
)
_CUE_DISTANCE = 4
_CODE_SIGNS = frozenset("_=<>{}\\@#$`|")
_PROGRAM_SIGNS = '{}_\\#$`|=<>;[]"'
_TELLING = frozenset((EntityType.DISEASE, EntityType.CHEMICAL, EntityType.GENE))
_LONGEST_SYMBOL = 6
_OTHER_ANIMALS = ("UBERON:2", "UBERON:4", "UBERON:6")
_FEWEST_SURE = 2
"""Distinct sure names that a text must have before its ordinary words count."""

_ORDER = (
    EntityType.DISEASE, EntityType.CHEMICAL, EntityType.GENE, EntityType.SPECIES, EntityType.CELL_LINE,
    EntityType.PHENOTYPE, EntityType.ANATOMY, EntityType.PROCEDURE,
)  # fmt: skip
_SCORES = {"exact": 0.8, "morphology": 0.7}


class _Lists(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    never: frozenset[str]
    everyday: frozenset[str]
    gene_cues: frozenset[str]


@cache
def _words() -> _Lists:
    return msgspec.yaml.decode(files(__package__).joinpath("everyday.yaml").read_bytes(), type=_Lists)


def addresses(text: str) -> list[tuple[int, int]]:
    """Ranges of web addresses, e-mail addresses and DOIs: nothing in them is a name."""
    if "://" not in text and "@" not in text and "www." not in text and "10." not in text:
        return []
    return [found.span() for found in _ADDRESS.finditer(text)]


def lexicon_spans(text: AnalysedText, matches: Sequence[LexiconMatch]) -> list[Span]:
    """The matches that name something, typed, in order and not overlapping; where two overlap, the longer one."""
    words = _words()
    shorts = {found.short for found in text.abbreviations}
    sure: list[Span] = []
    doubtful: list[Span] = []
    named: set[str] = set()
    for match in matches:
        start, end = text.starts[match.first], text.ends[match.last - 1]
        surface = text.text[start:end]
        folded = surface.casefold()
        names = _of_best_type(match.names, surface)
        shouted = surface.isupper() and len(surface) <= _LONGEST_SYMBOL and names[0].kind is NameKind.SYMBOL
        if (
            (is_ordinary(surface) and not shouted)
            or _is_of_other_animals(surface, names)
            or not _is_name(surface)
            or glued_to_code(text.text, start, end)
        ):
            continue
        kind = names[0].type
        span = Span(start, end, kind, _SCORES[match.how], "lexicon", names)
        if folded in words.everyday and not shouted:
            doubtful.append(span)
        elif surface in shorts:
            sure.append(span)
        elif _is_symbol(surface, names):
            if kind is EntityType.GENE and not _is_gene(text, match, surface):
                continue
            if kind is not EntityType.GENE and len(surface) < 3:
                continue
            doubtful.append(span)
        else:
            sure.append(span)
            if kind in _TELLING and len(surface) > 5:
                named.add(folded)
    if len(named) >= _FEWEST_SURE:
        sure += doubtful
    return _longest(sure)


def in_company(text: str, spans: Sequence[Span]) -> list[Span]:
    """Without ordinary words, where a text names hardly anything for sure: salt in a recipe is no chemical."""
    lists = _words()
    ordinary = lists.never | lists.everyday
    folded = [text[span.start : span.end].casefold() for span in spans]
    sure = {
        name for name, span in zip(folded, spans, strict=True) if name not in ordinary and len(name) > 5 and span.type in _TELLING
    }
    if len(sure) >= _FEWEST_SURE:
        return list(spans)
    return [span for name, span in zip(folded, spans, strict=True) if name not in ordinary]


def program_share(text: str) -> float:
    """Signs of code for each word of a text: below 0.2 in abstracts, mostly above 0.5 in program text."""
    return sum(map(text.count, _PROGRAM_SIGNS)) / (text.count(" ") + text.count("\n") + 1)


def _is_of_other_animals(surface: str, names: Sequence[LexiconName]) -> bool:
    """Parts of fishes and flies that are called by a common word: a stripe, the first segment of a thorax (t1)."""
    return " " not in surface and all(name.concept.startswith(_OTHER_ANIMALS) for name in names)


def _is_name(surface: str) -> bool:
    letters = sum(sign.isalpha() for sign in surface)
    return letters > 0 and (len(surface) > 2 or (len(surface) == 2 and letters + sum(sign.isdigit() for sign in surface) == 2))


def glued_to_code(text: str, start: int, end: int) -> bool:
    """Whether the range is glued to signs of program text, or is called like a function."""
    return text[start - 1 : start] in _CODE_SIGNS or text[end : end + 1] in _CODE_SIGNS or text[end : end + 1] == "("


def _of_best_type(names: Sequence[LexiconName], surface: str) -> tuple[LexiconName, ...]:
    """The names of the type that fits best: by how exactly they are written so, then by what texts are mostly about."""

    def rank(name: LexiconName) -> tuple[bool, bool, int]:
        return name.name != surface, name.kind is NameKind.SYMBOL, _ORDER.index(name.type) if name.type in _ORDER else len(_ORDER)

    kind = min(names, key=rank).type
    return tuple(name for name in names if name.type is kind)


def _is_symbol(surface: str, names: Sequence[LexiconName]) -> bool:
    return (
        " " not in surface
        and len(surface) <= 6
        and (surface != surface.lower() or any(name.kind is NameKind.SYMBOL for name in names))
    )


def _is_gene(text: AnalysedText, match: LexiconMatch, surface: str) -> bool:
    """A symbol is a gene where it has capitals and a digit or Greek letter, or a word for what genes are or do is near."""
    numbered = any(sign.isdigit() or "\u0370" <= sign <= "\u03ff" for sign in surface)
    if len(surface) > 3 and numbered and sum(sign.isupper() for sign in surface) >= 2:
        return True
    return is_near_gene_cue(text, match.first, match.last)


def is_near_gene_cue(text: AnalysedText, first: int, last: int) -> bool:
    """Whether a word for what genes are or do stands near the tokens ``[first, last)``."""
    cues = _words().gene_cues
    near = range(max(0, first - _CUE_DISTANCE), min(len(text.words), last + _CUE_DISTANCE))
    return any(text.words[at].lower() in cues for at in near)


def is_ordinary(surface: str) -> bool:
    """Whether it is never a name on its own."""
    return surface.casefold() in _words().never


def _longest(spans: Iterable[Span]) -> list[Span]:
    taken: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if taken and span.start < taken[-1].end:
            if span.end - span.start > taken[-1].end - taken[-1].start:
                taken[-1] = span
            continue
        taken.append(span)
    return taken
