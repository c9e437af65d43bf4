"""Short forms that a text defines, with what they stand for: `adverse drug reaction (ADR)`, `ADR (adverse drug reaction)`.

After Schwartz and Hearst, "A simple algorithm for identifying abbreviation definitions in biomedical text" (PSB 2003): the
letters of the short form must be found, from the right, in the words before the bracket, the first at the start of a word.
Besides: initials of words are preferred to letters within words, Greek letters may be spelled out, a digit may be a numeral or
a word, and a plural *s* need not be in the long form. A definition has a bounded size, so time is linear in the text's length.
"""

# ruff: noqa: RUF001 - Greek letters and typographic marks are meant
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Abbreviation", "find_abbreviations", "variants"]

MAX_SHORT_CHARS = 14
MAX_LONG_CHARS = 240
_MAX_INNER_TOKENS = 40

_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_SHORT = re.compile(r"(?=[^\s]*[^\W\d_])[^\W_](?:[^\s,;:()\[\]{}=<>%]{0,12}[^\W_+*'′-])?[+*'′-]?")
_WORD = re.compile(r"[^\W_]+")
_TRAILING = " \t\n\u00a0,;:\"'”’"
_PLURAL = re.compile(r".*[A-Z0-9\u0370-\u03ff]'?s")
_LINKS = frozenset(
    [
        "a",
        "an",
        "and",
        "as",
        "at",
        "by",
        "de",
        "des",
        "du",
        "for",
        "from",
        "in",
        "into",
        "of",
        "on",
        "or",
        "per",
        "the",
        "to",
        "type",
        "via",
        "with",
    ]
)
_SPELLED: dict[str, tuple[str, ...]] = {
    "α": ("α", "alpha", "a"),
    "β": ("β", "beta", "b", "ß"),
    "γ": ("γ", "gamma", "g"),
    "δ": ("δ", "delta", "d"),
    "ε": ("ε", "epsilon", "e"),
    "ζ": ("ζ", "zeta"),
    "η": ("η", "eta"),
    "θ": ("θ", "theta"),
    "κ": ("κ", "kappa", "k"),
    "λ": ("λ", "lambda", "l"),
    "μ": ("μ", "mu", "µ"),
    "π": ("π", "pi"),
    "σ": ("σ", "sigma"),
    "τ": ("τ", "tau"),
    "φ": ("φ", "phi"),
    "ω": ("ω", "omega"),
    "1": ("1", "one", "i", "first", "mono"),
    "2": ("2", "two", "ii", "second", "bi", "di"),
    "3": ("3", "three", "iii", "third", "tri"),
    "4": ("4", "four", "iv", "fourth", "tetra"),
    "5": ("5", "five", "v", "fifth", "penta"),
    "6": ("6", "six", "vi", "hexa"),
}
_GREEK = {spellings[1]: letter for letter, spellings in _SPELLED.items() if letter.isalpha() and len(spellings[1]) > 1}
_GREEK_NAME = re.compile("|".join(_GREEK))


@dataclass(frozen=True, slots=True)
class Abbreviation:
    """A short form, and the place that defines it: ``text[long_start:long_end]`` is the long form."""

    short: str
    short_start: int
    short_end: int
    long_start: int
    long_end: int


def variants(short: str) -> tuple[str, ...]:
    """Other spellings under which a text may use a short form: its singular or plural.

    >>> variants("ADRs")
    ('ADR',)
    >>> variants("ADR")
    ('ADRs',)
    """
    if _PLURAL.fullmatch(short):
        return (short.rstrip("s").rstrip("'"),)
    return (f"{short}s",) if short[-1:].isupper() else ()


def find_abbreviations(
    text: str, words: Sequence[str], starts: Sequence[int], ends: Sequence[int], sentences: Sequence[tuple[int, int]]
) -> tuple[Abbreviation, ...]:
    """Definitions in the order of their short forms; ``words`` and the rest as in an analysed text."""
    found: dict[tuple[int, int], Abbreviation] = {}
    for first, opened, closed in _brackets(words, sentences):
        definition = _definition(text, ends[opened], starts[closed], starts[first], starts[opened])
        if definition is not None:
            found.setdefault((definition.short_start, definition.short_end), definition)
    return tuple(found[place] for place in sorted(found))


def _brackets(words: Sequence[str], sentences: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Pairs of brackets as (first token of the sentence, opening, closing token), nested ones too, unbalanced ones not."""
    marks = [index for index, word in enumerate(words) if word in _OPEN or word in _CLOSE]
    position = 0
    for first, last in sentences:
        opened: list[int] = []
        while position < len(marks) and marks[position] < last:
            index = marks[position]
            position += 1
            if words[index] in _OPEN:
                opened.append(index)
            elif opened and 1 < index - opened[-1] <= _MAX_INNER_TOKENS:
                yield first, opened.pop(), index
            elif opened:
                opened.pop()


def _definition(text: str, inner_start: int, inner_end: int, sentence_start: int, bracket: int) -> Abbreviation | None:
    """What a bracket whose content is ``text[inner_start:inner_end]`` defines, if it does."""
    before = text[max(sentence_start, bracket - MAX_LONG_CHARS) : bracket]
    if not before or not before.endswith((" ", "\t", "\n", "\u00a0")):
        return None
    offset, before = bracket - len(before), before.rstrip(_TRAILING)
    end = offset + len(before)
    for start, stop in _parts(text, inner_start, min(inner_end, inner_start + MAX_LONG_CHARS)):
        part = text[start:stop]
        if len(part) <= MAX_SHORT_CHARS and _SHORT.fullmatch(part):
            long_start = _long_form(part, before)
            if long_start is not None:
                return Abbreviation(part, start, stop, offset + long_start, end)
    return _reverse(text, inner_start, inner_end, before, end)


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The first and the last piece of a bracket's content, cut at commas and semicolons: `(ADR, n = 5)`."""
    inner = text[start:end]
    cuts = [match.start() for match in re.finditer(r"[,;:]\s", inner)]
    for low, high in dict.fromkeys(((0, cuts[0] if cuts else len(inner)), (cuts[-1] + 1 if cuts else 0, len(inner)))):
        piece = inner[low:high]
        trimmed = piece.strip(" \t\n\u00a0\"'“”‘’")
        if trimmed:
            offset = start + low + piece.index(trimmed)
            yield offset, offset + len(trimmed)


def _reverse(text: str, inner_start: int, inner_end: int, before: str, end: int) -> Abbreviation | None:
    """`ADR (adverse drug reaction)`: the short form stands before the bracket that holds the long form."""
    inner = text[inner_start : min(inner_end, inner_start + MAX_LONG_CHARS)]
    long = re.split(r"[;,(\[]", inner, maxsplit=1)[0].strip()
    short = before.rsplit(None, 1)[-1].lstrip("([{\"'“‘") if before else ""
    if not _SHORT.fullmatch(short) or len(short) > MAX_SHORT_CHARS or len(long) <= len(short) or " " not in long:
        return None
    if _long_form(short, long, whole=True) is None:
        return None
    offset = inner_start + inner.index(long)
    return Abbreviation(short, end - len(short), end, offset, offset + len(long))


def _long_form(short: str, before: str, *, whole: bool = False) -> int | None:
    """Where in ``before`` the long form of a short one starts, or None; ``whole``: it must start with ``before``."""
    letters = [letter for letter in _GREEK_NAME.sub(lambda name: _GREEK[name.group()], short.lower()) if letter.isalnum()]
    if not _plausible(short, letters):
        return None
    plural = len(letters) > 2 and _PLURAL.fullmatch(short) is not None
    words = list(_WORD.finditer(before))[-_most_words(letters) :]
    if not words:
        return None
    folded = before.lower()
    if len(folded) != len(before):  # some letters become two when lowered: then their places are not the same
        folded = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in before)
    low = 0 if whole else words[0].start()
    for wanted in (letters[:-1], letters) if plural else (letters,):
        for start in (_initials(wanted, folded, words), _letters(wanted, folded, low)):
            if start is not None and (not whole or start == words[0].start() == 0) and _fits(short, before[start:]):
                return start
    return None


def _plausible(short: str, letters: Sequence[str]) -> bool:
    capital = any(letter.isupper() or letter.isdigit() for letter in short)
    return len(letters) >= 2 and (capital or len(letters) <= 5) and any(letter.isalpha() for letter in letters)


def _most_words(letters: Sequence[str]) -> int:
    return min(len(letters) + 5, 2 * len(letters))


def _fits(short: str, long: str) -> bool:
    """A long form is longer than the short one and does not hold it; only initials make a short form of small letters."""
    first = _WORD.match(long)
    if (
        len(long) <= len(short) + 1
        or short.lower() in long.lower().split()
        or (first and first.group().lower() in _LINKS - {"type"})
    ):
        return False
    if long.count("(") != long.count(")") or long.count("[") != long.count("]"):
        return False
    if any(letter.isupper() or letter.isdigit() for letter in short):
        return True
    initials = [word.group()[0].lower() for word in _WORD.finditer(long)]
    return [letter for letter in short.lower() if letter.isalnum()] == initials


def _initials(letters: Sequence[str], folded: str, words: Sequence[re.Match[str]]) -> int | None:
    """Start of the words whose first letters are the short form's, to the last word; link words may be passed over."""
    position = len(words) - 1
    for index in range(len(letters) - 1, -1, -1):
        spellings = _SPELLED.get(letters[index], (letters[index],))
        while position >= 0 and not folded.startswith(spellings, words[position].start()):
            if index == len(letters) - 1 or words[position].group().lower() not in _LINKS:
                return None
            position -= 1
        if position < 0:
            return None
        position -= 1
    return words[position + 1].start()


def _letters(letters: Sequence[str], folded: str, low: int) -> int | None:
    """Start of the shortest tail of ``folded`` that holds the letters in order, the first at the start of a word."""
    position = len(folded)
    for index in range(len(letters) - 1, -1, -1):
        letter = letters[index]
        spellings = _SPELLED.get(letter, (letter,))
        position -= 1
        while position >= low:
            at_start = position == 0 or not folded[position - 1].isalnum()
            if folded[position] == letter and (at_start or (index and letter not in _SPELLED)):
                break
            if at_start and len(spellings) > 1 and folded.startswith(spellings, position):
                break
            position -= 1
        if position < low:
            return None
    return position
