"""How else a vocabulary may name what a text names: rewrites of a name, the nearest first.

A best-first search: each step words a name otherwise and costs some certainty. Tables of words are in `wording.yaml`.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from importlib.resources import files
from itertools import count

import msgspec

from Medical_KG_rev.extraction.lexicon.normal import key
from Medical_KG_rev.models import EntityType

__all__ = ["Step", "element", "meaning", "rewrites"]

MAX_REWRITES = 60
"""Names tried for one name that the lexicon lacks."""

MAX_WORDS = 12
_LEAST = 0.45
_SHORTEST_ADJECTIVE = 5

Words = tuple[str, ...]
Step = tuple[Words, float, str]
"""A name in words, how sure it is that it means the same, and what was done."""

_DISEASES = frozenset((EntityType.DISEASE, EntityType.PHENOTYPE))
_BRACKETS = re.compile(r"\s*(?:\([^()]*\)|\[[^\[\]]*\])")
_STEREO = re.compile(r"(?:\((?:[+\-±RSEZ\d,]+|\d*H)\)|\[\d*[A-Z][a-z]?\d*\]|(?:\+/-|\+|-|±)|[dlDLRSmpon]{1,2})-(?=\w)")
_CHARGE = re.compile(r"(?<=[A-Za-z])(?:\(?\d?[+\-−]\)?|\(\d?[+\-−]\))$")  # noqa: RUF001 - a minus sign
_OF = re.compile(r"(.+?) (?:of|in) (?:the |an? )?(.+)")
_LATIN_GREEK = {"a": "alpha", "b": "beta", "g": "gamma", "d": "delta"}
_NAMED_GREEK = re.compile(r"(?<=-)([abgd])(?=\d*$)|^([abgd])(?=-)")
_SPECIES_LETTER = re.compile(r"[hmr](?=[A-Z])|p(?=\d\d)")

# An adjective's ending and those of the nouns that it is made from.
_ENDINGS = (
    ("toxic", ("toxicity",)),
    ("deficient", ("deficiency",)),
    ("dystrophic", ("dystrophy",)),
    ("trophic", ("trophy",)),
    ("pathic", ("pathy",)),
    ("plastic", ("plasia",)),
    ("otic", ("osis", "otics")),
    ("matous", ("ma",)),
    ("genic", ("genesis",)),
    ("emic", ("emia",)),
    ("aemic", ("aemia",)),
    ("oxic", ("oxia",)),
    ("itic", ("itis",)),
    ("leptic", ("lepsy",)),
    ("etic", ("etes", "esis", "esia")),
    ("ic", ("ia", "y", "ism", "")),
    ("ive", ("ion",)),
    ("ated", ("ation",)),
    ("ed", ("ion",)),
    ("ese", ("esity",)),
    ("atory", ("ation",)),
    ("al", ("", "y")),
    ("ous", ("", "is")),
)


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    adjectives: dict[str, tuple[str, ...]]
    equivalents: tuple[tuple[str, ...], ...]
    harms: tuple[str, ...]
    modifiers: tuple[str, ...]
    tails: tuple[str, ...]
    salts: tuple[str, ...]
    meanings: dict[str, dict[str, str]]
    elements: dict[str, str]


class _Wording:
    """The tables, by the comparable form of each word."""

    def __init__(self, tables: _Tables) -> None:
        self.adjectives = {_form(word): nouns for word, nouns in tables.adjectives.items()}
        self.equivalents: dict[str, tuple[str, ...]] = {}
        for group in tables.equivalents:
            for word in group:
                known = self.equivalents.get(_form(word), ())
                self.equivalents[_form(word)] = known + tuple(other for other in group if other != word)
        self.harms = frozenset(map(_form, tables.harms))
        self.modifiers = frozenset(map(_form, tables.modifiers))
        self.tails = frozenset(map(_form, tables.tails))
        self.salts = frozenset(map(_form, tables.salts))
        self.meanings = {
            EntityType(kind): {_form(name): meant for name, meant in table.items()} for kind, table in tables.meanings.items()
        }
        self.elements = tables.elements


@cache
def _wording() -> _Wording:
    return _Wording(msgspec.yaml.decode(files(__package__).joinpath("wording.yaml").read_bytes(), type=_Tables))


@lru_cache(maxsize=50_000)
def _form(name: str) -> str:
    return " ".join(key(name))


def meaning(name: str, kind: EntityType) -> str | None:
    """What medicine means by a word that vocabularies name otherwise: `hypotensive` is `hypotension`."""
    table = _wording().meanings.get(EntityType.DISEASE if kind in _DISEASES else kind)
    return table.get(_form(name)) if table else None


def element(name: str) -> str | None:
    """The chemical that a symbol of an element, an ion or an amino acid stands for: `Ca2+` is `calcium`."""
    return _wording().elements.get(name) or _wording().elements.get(_CHARGE.sub("", name))


def rewrites(name: str, kind: EntityType) -> Iterator[tuple[str, float, str]]:
    """Other wordings of a name, the surest first, each with how sure it is (below 1) and what was done, in words."""
    words = tuple(name.split())
    if not words or len(words) > MAX_WORDS:
        return
    steps = _steps(kind)
    order = count()
    heap: list[tuple[float, int, Words, str]] = [(-1.0, next(order), words, "")]
    seen = {words}
    tried = 0
    while heap and tried < MAX_REWRITES:
        negative, _, words, reason = heapq.heappop(heap)
        if reason:
            tried += 1
            yield " ".join(words), -negative, reason
        for make in steps:
            for found, factor, done in make(words):
                sure = -negative * factor
                if found and found not in seen and sure >= _LEAST and not _is_general(found):
                    seen.add(found)
                    heapq.heappush(heap, (-sure, next(order), found, f"{reason}, {done}" if reason else done))


def _is_general(words: Words) -> bool:
    """Whether words name no kind of disease: `acute disorder`."""
    tables = _wording()
    general = tables.tails | tables.harms | tables.modifiers
    return all(_form(word) in general for word in words)


def _steps(kind: EntityType) -> tuple[Callable[[Words], Iterator[Step]], ...]:
    if kind in _DISEASES:
        return (_plain, _turned, _noun, _organ, _equivalent, _headed, _shorter)
    if kind is EntityType.CHEMICAL:
        return (_plain, _without_stereo, _acid, _without_salt)
    if kind is EntityType.GENE:
        return (_plain, _greek, _without_species, _without_role)
    return (_plain,)


def _plain(words: Words) -> Iterator[Step]:
    """Without brackets; hyphens as spaces."""
    name = " ".join(words)
    bare = _BRACKETS.sub("", name).strip()
    if bare != name and bare:
        yield tuple(bare.split()), 0.97, "without the brackets"
    split = tuple(name.replace("-", " ").replace("/", " ").split())
    if split != words:
        yield split, 0.99, "in single words"


def _turned(words: Words) -> Iterator[Step]:
    """`calcification of the artery`: `artery calcification`."""
    found = _OF.fullmatch(" ".join(words))
    if found:
        yield (*found.group(2).split(), *found.group(1).split()), 0.93, "in another order"


def _noun(words: Words) -> Iterator[Step]:
    """`hypertensive`: `hypertension`; the ending of the last word that is an adjective."""
    last = words[-1].lower()
    for ending, nouns in _ENDINGS:
        if last.endswith(ending) and len(last) >= max(len(ending), _SHORTEST_ADJECTIVE):
            for noun in nouns:
                yield (*words[:-1], last[: -len(ending)] + noun), 0.86, f"as a noun of {words[-1]!r}"
            return


def _organ(words: Words) -> Iterator[Step]:
    """`renal cyst`: `kidney cyst`; `renal injury`: `kidney disease`."""
    tables = _wording()
    for at, word in enumerate(words):
        for noun in tables.adjectives.get(_form(word), ()):
            yield (*words[:at], *noun.split(), *words[at + 1 :]), 0.9, f"{noun!r} for {word!r}"
    if len(words) > 1 and _form(words[-1]) in tables.harms:
        yield (*words[:-1], "diseases"), 0.72, f"the diseases that {words[-1]!r} is one of"


def _equivalent(words: Words) -> Iterator[Step]:
    table = _wording().equivalents
    for at, word in enumerate(words):
        for other in table.get(_form(word), ()):
            yield (*words[:at], *other.split(), *words[at + 1 :]), 0.88, f"{other!r} for {word!r}"


def _headed(words: Words) -> Iterator[Step]:
    """A general last word added or left out: `von Willebrand` and `von Willebrand disease`."""
    if len(words) > 2 and words[-2].lower() in ("type", "grade", "stage", "class"):
        yield words[:-2], 0.86, f"without {' '.join(words[-2:])!r}"
    if len(words) > 1 and _form(words[-1]) in _wording().tails:
        yield words[:-1], 0.82, f"without {words[-1]!r}"
    else:
        for tail in ("disease", "syndrome", "disorder"):
            yield (*words, tail), 0.84, f"with {tail!r}"


def _shorter(words: Words) -> Iterator[Step]:
    """Without a word that tells how, when or in whom; or, less sure, without any first word."""
    modifiers = _wording().modifiers
    if len(words) < 2:
        return
    for at, word in enumerate(words[:-1]):
        if _form(word) in modifiers:
            yield (*words[:at], *words[at + 1 :]), 0.93, f"without {word!r}"
        elif word.lower().endswith(("-induced", "-associated", "-related", "-mediated", "-linked", "-like", "-dependent")):
            yield words[at + 1 :], 0.86, f"without {word!r}"
        elif word.lower() in ("induced", "associated", "related") and at:
            yield words[at + 1 :], 0.84, f"without {' '.join(words[: at + 1])!r}"
    if _form(words[0]) not in modifiers:
        yield words[1:], 0.66 if len(words) == 2 else 0.74, f"more general, without {words[0]!r}"


def _without_stereo(words: Words) -> Iterator[Step]:
    name = " ".join(words)
    bare = _STEREO.sub("", name, count=1)
    if bare != name:
        yield tuple(bare.split()), 0.9, "whatever its form in space"
    bare = _CHARGE.sub("", name)
    if bare != name and bare:
        yield tuple(bare.split()), 0.93, "without its charge"


def _acid(words: Words) -> Iterator[Step]:
    """`glutamate`: `glutamic acid`, and the other way."""
    last = words[-1].lower()
    if last.endswith("ate") and len(last) > 5:
        yield (*words[:-1], f"{last[:-3]}ic", "acid"), 0.9, "as the acid"
    if last == "acid" and len(words) > 1 and words[-2].lower().endswith("ic"):
        yield (*words[:-2], f"{words[-2][:-2]}ate"), 0.88, "as the salt"


def _without_salt(words: Words) -> Iterator[Step]:
    if len(words) > 1 and _form(words[-1]) in _wording().salts:
        yield words[:-1], 0.86, f"without {words[-1]!r}"
    if len(words) > 1 and words[0].lower() in (
        "sodium",
        "potassium",
        "calcium",
        "total",
        "free",
        "serum",
        "plasma",
        "oral",
        "intravenous",
    ):
        yield words[1:], 0.8, f"without {words[0]!r}"


def _greek(words: Words) -> Iterator[Step]:
    """`TGF-b1`: `TGF-beta1`."""
    name = " ".join(words)
    spelled = _NAMED_GREEK.sub(lambda found: _LATIN_GREEK[found.group()], name)
    if spelled != name:
        yield tuple(spelled.split()), 0.9, "with its Greek letter"


def _without_species(words: Words) -> Iterator[Step]:
    if (
        words[0].lower() in ("human", "mouse", "murine", "rat", "mutant", "wild-type", "recombinant", "anti", "pro")
        and len(words) > 1
    ):
        yield words[1:], 0.93, f"without {words[0]!r}"
    found = _SPECIES_LETTER.match(words[0])
    if found:
        yield (words[0][found.end() :], *words[1:]), 0.84, f"without {found.group()!r}"


def _without_role(words: Words) -> Iterator[Step]:
    if len(words) > 1 and words[-1].lower().rstrip("s") in (
        "gene",
        "protein",
        "mrna",
        "enzyme",
        "receptor",
        "kinase",
        "antigen",
        "subunit",
        "isoform",
    ):
        factor = 0.66 if words[-1].lower().startswith(("rec", "kin")) else 0.93
        yield words[:-1], factor, f"without {words[-1]!r}"
