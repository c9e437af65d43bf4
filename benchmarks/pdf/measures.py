"""How well what was read from a PDF agrees with the article's XML."""

from __future__ import annotations

import random
import re
import unicodedata
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from pdf.truth import Truth

_WORD = re.compile(r"[^\W_]+")
_NUMBERING = re.compile(r"^\s*(?:\d+(?:\.\d+)*\.?|[IVX]+\.|[A-Z]\.)\s+")
_PRINTED_HEADINGS = {
    "abstract",
    "summary",
    "keywords",
    "references",
    "literaturecited",
    "bibliography",
    "introduction",
}
"""Headings that pages print and XML often only implies."""


@dataclass(frozen=True)
class Extract:
    """What a reader made of a PDF. Plain text has no ``paragraphs``, ``headings``, ``tables`` and ``references``."""

    text: str
    paragraphs: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    tables: tuple[tuple[str, ...], ...] = ()
    references: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    title: str = ""
    is_structured: bool = False


@dataclass(frozen=True)
class Scores:
    """Of one file; NaN where there is nothing to compare."""

    words: float
    tau: float
    whole_sentences: float
    foreign: float
    headings: float
    cells_found: int
    cells_asked: int
    captions: float
    references: float
    title: bool


def score(extract: Extract, truth: Truth, plain_text: str) -> Scores:
    """``plain_text`` is the text of the whole file in any order: by it is known which tables the file has as text."""
    place = Places(extract.text)
    found, asked = cells(extract.tables, tables_with_text(truth.tables, plain_text))
    return Scores(
        words=found_words(truth.text, extract.text),
        tau=kendall_tau(place.of(truth.sentences)),
        whole_sentences=share(squeezed(sentence) in place.text for sentence in truth.sentences),
        foreign=1 - found_words(extract.text, truth.everything),
        headings=heading_f1(extract.headings, truth) if extract.is_structured else float("nan"),
        cells_found=found,
        cells_asked=asked,
        captions=share(
            any(squeezed(caption)[:40] in squeezed(own) for own in extract.captions) for caption in truth.captions if caption
        ),
        references=references_found(extract.references, truth.references),
        title=SequenceMatcher(None, squeezed(extract.title), squeezed(truth.title), autojunk=False).ratio() > 0.95,
    )


def words(text: str) -> Counter[str]:
    """Runs of letters or digits, in lower case, compatibility characters (ligatures, superscripts) resolved."""
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def squeezed(text: str) -> str:
    """Letters and digits alone: the same however a line was broken or a word was hyphenated."""
    return "".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def share(values: Iterable[bool]) -> float:
    """Of the values that are true; NaN of none."""
    counted = list(values)
    return sum(counted) / len(counted) if counted else float("nan")


def found_words(wanted: str, text: str) -> float:
    """Of the words of ``wanted``, each as often as it stands there, the share that ``text`` has."""
    asked, had = words(wanted), words(text)
    return (asked & had).total() / max(asked.total(), 1)


class Places:
    """Where sentences stand in a text."""

    def __init__(self, text: str) -> None:
        self.text = squeezed(text)

    def of(self, sentences: Iterable[str]) -> list[int]:
        """Places of those sentences that stand in it once, by the whole sentence or by one of its ends, in the order asked."""
        places = []
        for sentence in sentences:
            key = squeezed(sentence)
            for part in (key, key[:40], key[-40:]):
                if len(part) > 20 and self.text.count(part) == 1:
                    places.append(self.text.index(part))
                    break
        return places


def kendall_tau(places: Sequence[int]) -> float:
    """Of the order of the places against the order 0, 1, 2, …: concordant less discordant pairs, by all pairs."""
    seen: list[int] = []
    discordant = 0
    for place in places:
        discordant += len(seen) - bisect_left(seen, place)
        insort(seen, place)
    total = len(places) * (len(places) - 1) / 2
    return 1 - 2 * discordant / total if total else float("nan")


def heading_key(text: str) -> str:
    return squeezed(_NUMBERING.sub("", text))


def heading_f1(own: Sequence[str], truth: Truth) -> float:
    """F1 of the body's headings. Those of abstract and back matter neither help nor harm."""
    wanted = [key for text in truth.headings if (key := heading_key(text))]
    neutral = {heading_key(text) for text in truth.other_headings} | _PRINTED_HEADINGS
    hits, wrong = 0, 0
    for text in own:
        key = heading_key(text)
        match = next((other for other in wanted if _same(key, other)), None)
        if match is not None:
            wanted.remove(match)
            hits += 1
        elif not any(_same(key, other) for other in neutral):
            wrong += 1
    total = 2 * hits + wrong + len(wanted)
    return 2 * hits / total if total else float("nan")


def _same(first: str, second: str) -> bool:
    if first == second:
        return True
    if not first or not second or abs(len(first) - len(second)) > 0.2 * len(second):
        return False
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= 0.9


def tables_with_text(tables: Sequence[tuple[str, ...]], text: str) -> list[tuple[str, ...]]:
    """Those whose words the file has as text (others are pictures)."""
    return [table for table in tables if table and found_words(" ".join(table), text) >= 0.8]


def cells(own: Sequence[tuple[str, ...]], wanted: Sequence[tuple[str, ...]]) -> tuple[int, int]:
    """Of the wanted tables' cells, those that the own table with most of them has, by their text; and all that are wanted."""
    counted = [Counter(filter(None, map(_cell_key, table))) for table in own]
    found = asked = 0
    for table in wanted:
        keys = Counter(filter(None, map(_cell_key, table)))
        found += max(((keys & other).total() for other in counted), default=0)
        asked += keys.total()
    return found, asked


def _cell_key(text: str) -> str:
    return squeezed(text) or "".join(text.split())


def references_found(own: Sequence[str], wanted: Sequence[tuple[str, str]]) -> float:
    """Of the references, the share of those with an entry of their own that holds first surname and year."""
    if not wanted:
        return float("nan")
    free = [squeezed(text) for text in own]
    hits = 0
    for surname, year in wanted:
        entry = next((text for text in free if squeezed(surname) in text and squeezed(year) in text), None)
        if entry is not None:
            free.remove(entry)
            hits += 1
    return hits / len(wanted)


def running_heads(pages: Sequence[str]) -> set[str]:
    """Lines among the outer three of at least three pages and a third of all, digits apart, by the plain text of each page."""
    counts: Counter[str] = Counter()
    for page in pages:
        lines = [key for line in page.splitlines() if len(key := _line_key(line)) >= 8]
        counts.update({*lines[:3], *lines[-3:]})
    return {key for key, count in counts.items() if count >= max(3, len(pages) / 3)}


def _line_key(line: str) -> str:
    return re.sub(r"\d+", "", squeezed(line))


def with_running_head(paragraphs: Sequence[str], heads: set[str], truth: Truth) -> list[str]:
    """The paragraphs that hold a running head which the article itself does not say."""
    said = re.sub(r"\d+", "", squeezed(truth.text))
    strange = [head for head in heads if head not in said]
    return [text for text in paragraphs if any(head in _line_key(text) for head in strange)]


def sample(paragraphs: Sequence[tuple[str, str]], count: int = 200) -> list[tuple[str, str]]:
    """So many, drawn the same way every time."""
    return random.Random(0).sample(list(paragraphs), min(count, len(paragraphs)))
