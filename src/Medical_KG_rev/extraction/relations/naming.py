"""Which predicate a relation between entities of two types is, and which of the two is its subject."""

from __future__ import annotations

from typing import Final

from Medical_KG_rev.extraction import predicates as p
from Medical_KG_rev.extraction.relations.pairs import PAIR_TYPES

SYMMETRIC: Final = frozenset(
    {
        p.ASSOCIATED_WITH,
        p.POSITIVELY_CORRELATED,
        p.NEGATIVELY_CORRELATED,
        p.BINDS,
        p.DRUG_INTERACTION,
        p.CONVERTED,
        p.USED_TOGETHER,
        p.COMPARED_WITH,
    }
)
"""Predicates that say the same both ways; between entities of one type the smaller id is the subject."""

_ANY: Final = {
    "Association": p.ASSOCIATED_WITH,
    "Positive_Correlation": p.POSITIVELY_CORRELATED,
    "Negative_Correlation": p.NEGATIVELY_CORRELATED,
    "Bind": p.BINDS,
    "Drug_Interaction": p.DRUG_INTERACTION,
    "Cotreatment": p.USED_TOGETHER,
    "Comparison": p.COMPARED_WITH,
    "Conversion": p.CONVERTED,
}
_OF_TYPES: Final = {
    (0, 1): {"Negative_Correlation": p.TREATS},
    (1, 2): {"Association": p.GENE_OF_CONDITION},
    (1, 3): {
        "Association": p.GENETICALLY_ASSOCIATED,
        "Positive_Correlation": p.MORE_LIKELY_WITH,
        "Negative_Correlation": p.LESS_LIKELY_WITH,
    },
}
PREDICATE_OF: Final = tuple({**_ANY, **_OF_TYPES.get(types, {})} for types in PAIR_TYPES)
"""By kind of pair: type of relation, as BioRED names it → predicate."""

_CAUSING: Final = ("caus", "induc", "increa", "contribut", "activat")
_LESSENING: Final = ("prevent", "improv", "protect", "reduc", "decrea", "inhibit")
_RELATING: Final = ("associa", "correlat", "link", "relat", "role", "predict", "interact", "contribut")


def denied_predicate(kind: int, verb: str) -> str | None:
    """The predicate that a text denies of a pair with a verb: ``did not cause``; None where it denies none of ours."""
    verb = verb.lower()
    if verb.startswith(("bind", "bound")):
        return p.BINDS
    if verb.startswith(_CAUSING) and PREDICATE_OF[kind]["Association"] == p.ASSOCIATED_WITH:
        return p.CAUSES if kind == 0 else p.POSITIVELY_CORRELATED
    if verb.startswith(_LESSENING) and PREDICATE_OF[kind]["Association"] == p.ASSOCIATED_WITH:
        return p.TREATS if kind == 0 else p.NEGATIVELY_CORRELATED
    if verb.startswith(_RELATING) or PAIR_TYPES[kind][1] > 1:
        return PREDICATE_OF[kind]["Association"]
    return None


def ends(kind: int, predicate: str, first: str, second: str) -> tuple[str, str]:
    """Subject and object: the chemical, gene or variant before the disease; of two alike the smaller id first."""
    types: tuple[int, int] = PAIR_TYPES[kind]
    if types[0] == 1:
        return second, first
    if types[0] == types[1] and predicate in SYMMETRIC and second < first:
        return second, first
    return first, second
