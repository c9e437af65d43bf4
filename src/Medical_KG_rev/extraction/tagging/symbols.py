"""What the tagger sees of a text: streams of symbols, one symbol for each token.

A symbol is short text. What it is made of, and in how wide a window around its token that counts, is said in `attributes`.
An empty symbol says nothing. Training and use read texts by the same functions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from Medical_KG_rev.extraction.analysis import AnalysedText
from Medical_KG_rev.extraction.lexicon import LexiconMatch

__all__ = ["Range", "ShortForms", "Streams", "first_streams", "second_streams", "short_forms"]

Streams = dict[str, list[str]]
Range = tuple[int, int, str]
"""First token, last token (included) and type of a mention."""

ShortForms = Mapping[tuple[str, ...], str]
"""The tokens of each short form that a text defines, with what the lexicon says of its long form."""

_LETTERS = {
    "disease": "D",
    "chemical": "C",
    "gene": "G",
    "variant": "V",
    "species": "S",
    "cell_line": "L",
    "phenotype": "P",
    "anatomy": "A",
    "procedure": "R",
}
_CHUNK_CHARS = 40
_NEARBY = 7
_EDGES = {1: "BS", -1: "ES"}
"""Places of a name that are met first, by the direction of the way."""
_TELLING = frozenset("ACDGP")
_LINKS = {"and": "&", "or": "&", "the": "t", **{sign: sign for sign in (",", "/", "-", "of", "in", "(", ")")}}
_WALLS = ("", "(", ")")
_CLOSING, _OPENING = frozenset(".,;:)]%\"'"), frozenset("([\"'")


def first_streams(text: AnalysedText, matches: Sequence[LexiconMatch], forms: ShortForms) -> Streams:
    """Words and their neighbours, and what the lexicon says of them: all that is known before anything is tagged."""
    lower = [word.lower() for word in text.words]
    lexicon = ["O"] * len(lower)
    for first, last, signature in _apart(matches):
        _mark(lexicon, first, last - 1, ":" + signature)
    return {
        "word": text.words,
        "lexicon": lexicon,
        "pair": _pairs(text, lower),
        **_chunks(text),
        "ending": [f"{symbol.partition('|')[0]} {word[-3:]}" for symbol, word in zip(lexicon, lower, strict=True)],
        "sentence": _sentences(text),
        "abbreviation": _abbreviations(text, forms),
        "ahead": _nearby(text, lower, lexicon, 1),
        "behind": _nearby(text, lower, lexicon, -1),
    }


def _apart(matches: Iterable[LexiconMatch]) -> Iterator[tuple[int, int, str]]:
    """Matches that do not overlap, the longest first, with a signature of what they name."""
    taken: set[int] = set()
    for match in sorted(matches, key=lambda match: (match.first - match.last, match.first)):
        tokens = range(match.first, match.last)
        if taken.isdisjoint(tokens):
            taken.update(tokens)
            yield match.first, match.last, _signature(match)


def _signature(match: LexiconMatch) -> str:
    types: set[str] = set()
    sources: set[str] = set()
    for name in match.names:
        letter = _LETTERS.get(name.type.value, "X")
        types.add(letter)
        sources.add(f"{letter}{name.source[:3]}{'pssb'[name.kind]}" if name.kind != 1 else letter + name.source[:3])
    return f"{''.join(sorted(types))}{'' if match.how == 'exact' else '~'}|{','.join(sorted(sources))}"


def _mark(symbols: list[str], first: int, last: int, symbol: str) -> None:
    """Writes a symbol over a range of tokens, with where in the range each token is: single, begin, inside or end."""
    if first == last:
        symbols[first] = "S" + symbol
        return
    symbols[first] = "B" + symbol
    symbols[first + 1 : last] = ["I" + symbol] * (last - first - 1)
    symbols[last] = "E" + symbol


def _pairs(text: AnalysedText, lower: Sequence[str]) -> list[str]:
    symbols: list[str] = []
    for first, last in text.sentences:
        symbols += [
            f"{word} {following}" for word, following in zip(lower[first : last - 1], lower[first + 1 : last], strict=True)
        ]
        symbols.append(f"{lower[last - 1]} </s>")
    return symbols


def _chunks(text: AnalysedText) -> Streams:
    """Between white space: whether a token has a neighbour on either side, and the whole chunk without punctuation around it."""
    words, starts, ends = text.words, text.starts, text.ends
    glue, chunks = [""] * len(words), [""] * len(words)
    for first, last in text.sentences:
        begin = first
        while begin < last:
            end = begin + 1
            while end < last and starts[end] == ends[end - 1]:
                end += 1
            for at in range(begin, end):
                glue[at] = f"{int(at > begin)}{int(at + 1 < end)}"
            left, right = begin, end
            while right > left and words[right - 1] in _CLOSING:
                right -= 1
            while left < right and words[left] in _OPENING:
                left += 1
            if right - left > 1 and ends[right - 1] - starts[left] < _CHUNK_CHARS:
                _mark(chunks, left, right - 1, "|" + text.text[starts[left] : ends[right - 1]])
            begin = end
    return {"glue": glue, "chunk": chunks}


def _sentences(text: AnalysedText) -> list[str]:
    """Whether the first sentence, and whether in capitals."""
    symbols: list[str] = []
    for number, (first, last) in enumerate(text.sentences):
        long = [word for word in text.words[first:last] if len(word) > 1 and word.isalpha()]
        capitals = sum(word.isupper() for word in long) > 0.6 * len(long)
        symbols += [("t" if number == 0 else "") + ("C" if capitals else "")] * (last - first)
    return symbols


def _nearby(text: AnalysedText, lower: Sequence[str], lexicon: Sequence[str], step: int) -> list[str]:
    """The next name of the lexicon in one direction, at most six tokens away, and the way there: links, and `w` for other words.

    So "breast" in "breast and ovarian cancer" knows of the cancer, and "decrease" in "decrease in renal function" of the kidney.
    """
    symbols = [""] * len(lower)
    for first, last in text.sentences:
        for at in range(first, last):
            way = ""
            for there in range(at + step, at + _NEARBY * step, step):
                if not first <= there < last:
                    break
                types = lexicon[there].partition("|")[0][2:].rstrip("~")
                if lexicon[there][0] in _EDGES[step] and not _TELLING.isdisjoint(types):
                    symbols[at] = f"{way}:{types}"
                    break
                link = _LINKS.get(lower[there]) or ("w" if lower[there].isalpha() else "")
                if link != "w" or way[-1:] != "w":
                    way += link
                if link in _WALLS:
                    break
    return symbols


def short_forms(text: AnalysedText, matches: Sequence[LexiconMatch]) -> ShortForms:
    """Defined short forms: whether a name of the lexicon is, ends or outreaches the long form, its types, and the last word."""
    if not text.abbreviations:
        return {}
    starting = {start: at for at, start in enumerate(text.starts)}
    ending = {end: at for at, end in enumerate(text.ends)}
    named = {last - 1: (first, signature.partition("|")[0].rstrip("~")) for first, last, signature in _apart(matches)}
    forms: dict[tuple[str, ...], str] = {}
    for abbreviation in text.abbreviations:
        first, last = starting.get(abbreviation.long_start), ending.get(abbreviation.long_end)
        short_first, short_last = starting.get(abbreviation.short_start), ending.get(abbreviation.short_end)
        if first is None or last is None or short_first is None or short_last is None:
            continue
        at, types = named.get(last, (first, "0"))
        extent = "" if types == "0" else "=" if at == first else ">" if at > first else "<"
        form = tuple(text.words[short_first : short_last + 1])
        forms.setdefault(form, f"{extent}{types}|{text.words[last].lower()[-5:]}")
    return forms


def _abbreviations(text: AnalysedText, forms: ShortForms) -> list[str]:
    """Long forms, and short forms wherever they stand."""
    symbols = [""] * len(text.words)
    if not forms:
        return symbols
    for abbreviation in text.abbreviations:
        first = bisect_left(text.starts, abbreviation.long_start)
        last = bisect_left(text.ends, abbreviation.long_end, lo=first)
        symbols[first : last + 1] = ["long"] * (min(last + 1, len(symbols)) - first)
    for first, last, symbol in _occurrences(text, text.words, forms):
        _mark(symbols, first, last, symbol)
    return symbols


def _occurrences(
    text: AnalysedText, words: Sequence[str], phrases: Mapping[tuple[str, ...], str]
) -> Iterator[tuple[int, int, str]]:
    """Where phrases stand, from left to right, the longest of those that begin at a token: first token, last token, its value."""
    lengths: dict[str, set[int]] = defaultdict(set)
    for phrase in phrases:
        lengths[phrase[0]].add(len(phrase))
    ordered = {word: sorted(found, reverse=True) for word, found in lengths.items()}
    for first, last in text.sentences:
        at = first
        while at < last:
            for length in ordered.get(words[at], ()):
                value = phrases.get(tuple(words[at : at + length])) if at + length <= last else None
                if value is not None:
                    yield at, at + length - 1, value
                    at += length - 1
                    break
            at += 1


def second_streams(text: AnalysedText, found: Sequence[Range]) -> Streams:
    """What a first pass says: of each token, of its word elsewhere in the text, and of the phrase that it stands in elsewhere."""
    lower = [word.lower() for word in text.words]
    tags = [""] * len(lower)
    for first, last, kind in found:
        _mark(tags, first, last, kind)
    return {"tag": tags, "elsewhere": _words_elsewhere(lower, tags), "repeated": _phrases_elsewhere(text, lower, found)}


def _words_elsewhere(lower: Sequence[str], tags: Sequence[str]) -> list[str]:
    times = Counter(lower)
    tagged: dict[str, Counter[str]] = defaultdict(Counter)
    for word, tag in zip(lower, tags, strict=True):
        if tag:
            tagged[word][tag] += 1
    symbols: list[str] = []
    for word, own in zip(lower, tags, strict=True):
        others = times[word] - 1
        if not others or len(word) < 3 or not word.isalpha():
            symbols.append("")
            continue
        counts = tagged[word] - Counter([own] if own else []) if word in tagged else Counter()
        symbols.append(_share(counts, others))
    return symbols


def _phrases_elsewhere(text: AnalysedText, lower: Sequence[str], found: Sequence[Range]) -> list[str]:
    symbols = [""] * len(lower)
    kinds = {(first, last): kind for first, last, kind in found}
    phrases = {phrase: " ".join(phrase) for phrase in {tuple(lower[first : last + 1]) for first, last, _ in found}}
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for first, last, phrase in _occurrences(text, lower, phrases):
        places[phrase].append((first, last))
    for here in places.values():
        counts = Counter(kinds[place] for place in here if place in kinds)
        for place in here:
            own = kinds.get(place)
            _mark(symbols, *place, _share(counts - Counter([own] if own else []), len(here) - 1))
    return symbols


def _share(counts: Counter[str], others: int) -> str:
    """The commonest of what others are tagged as, what part of them is tagged at all, and their number up to three."""
    tagged = sum(counts.values())
    best = min(counts, key=lambda kind: (-counts[kind], kind)) if counts else ""
    part = "0" if not others else "a" if tagged == others else "m" if 2 * tagged >= others else "f" if tagged else "n"
    return f"{best}{part}{min(others, 3)}"
