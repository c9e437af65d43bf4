"""What claims of many documents say together: one assertion for the same statement, with a belief. Pure functions.

The formula and its parameters are in ``beliefs.yaml``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import msgspec

from Medical_KG_rev.errors import GraphConstraintError
from Medical_KG_rev.models import Certainty, Claim

DocumentStatus = Literal["live", "retracted", "withdrawn"]
"""``retracted`` by its publisher; ``withdrawn`` by a soft deletion here. Claims of either weigh nothing."""

_encode = msgspec.json.Encoder(order="sorted").encode


class Reliability(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often a method errs: ``systematic`` however often it says the same, ``random`` in each claim. Both in [0, 1]."""

    systematic: float
    random: float

    def __post_init__(self) -> None:
        if not (0 <= self.systematic <= 1 and 0 <= self.random <= 1):
            raise ValueError("systematic and random errors are probabilities, from 0 to 1")


class Stated(NamedTuple):
    """What the belief in an assertion needs to know of one claim. ``source`` is the data set of its document."""

    claim_id: str
    document_id: str
    source: str
    method: str
    score: float
    negated: bool
    certainty: str
    status: str


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What claims say together.

    ``claims_for`` and ``claims_against`` count those that weigh something, ``documents`` theirs. Claims of retracted documents
    are counted apart; those of withdrawn documents are not counted at all.
    """

    belief: float
    belief_against: float
    claims_for: int
    claims_against: int
    claims_hypothetical: int
    claims_retracted: int
    documents: int

    @property
    def visible(self) -> bool:
        """Whether a document that was not withdrawn says anything of it."""
        return self.claims_for + self.claims_against + self.claims_hypothetical + self.claims_retracted > 0


class BeliefModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of ``beliefs.yaml``, and the belief that follows from them."""

    version: int
    default: Reliability
    methods: dict[str, Reliability]
    certainty: dict[Certainty, float]
    meaning: tuple[str, ...]

    def meaning_of(self, qualifiers: Mapping[str, Any]) -> dict[str, Any]:
        """Those qualifiers that make it another statement."""
        return {name: value for name, value in qualifiers.items() if name in self.meaning or name.endswith("_qualifier")}

    def tally(self, claims: Iterable[Stated]) -> Tally:
        """The belief that these claims of one assertion give, whatever their order."""
        affirming, denying = list[tuple[Stated, float]](), list[tuple[Stated, float]]()
        others = Counter[str]()
        for claim in sorted(claims):
            weight = self.certainty[Certainty(claim.certainty)] * min(1.0, max(0.0, claim.score))
            if claim.status != "live":
                others[claim.status] += 1
            elif claim.certainty == Certainty.HYPOTHETICAL:
                others["hypothetical"] += 1
            else:
                (denying if claim.negated else affirming).append((claim, weight))
        return Tally(
            belief=self._belief(affirming),
            belief_against=self._belief(denying),
            claims_for=len(affirming),
            claims_against=len(denying),
            claims_hypothetical=others["hypothetical"],
            claims_retracted=others["retracted"],
            documents=len({claim.document_id for claim, _ in affirming + denying}),
        )

    def _belief(self, weighed: list[tuple[Stated, float]]) -> float:
        """One minus the probability that every group of claims is wrong; 0 without claims."""
        errors: dict[str, tuple[float, float]] = {}
        for claim, weight in weighed:
            group, reliability = self._group(claim)
            _, wrong = errors.get(group, (0.0, 1.0))
            errors[group] = (reliability.systematic, wrong * (1 - weight * (1 - reliability.random)))
        all_wrong = 1.0
        for systematic, wrong in errors.values():
            all_wrong *= min(1.0, systematic + wrong)
        return round(1 - all_wrong, 9)

    def _group(self, claim: Stated) -> tuple[str, Reliability]:
        family = claim.method.partition(":")[0]
        for name in (f"{claim.method}/{claim.source}", claim.method, f"{family}/{claim.source}", family):
            if name in self.methods:
                return name, self.methods[name]
        return claim.method, self.default


@cache
def belief_model() -> BeliefModel:
    """The parameters that come with the package."""
    return msgspec.yaml.decode(files(__package__).joinpath("beliefs.yaml").read_bytes(), type=BeliefModel)


class AssertionKey(NamedTuple):
    """What makes two claims the same statement. ``qualifiers`` is JSON, sorted by name."""

    subject_id: str
    predicate: str
    object_id: str
    qualifiers: str

    @property
    def number(self) -> int:
        """63 bits of a digest of the four: stable over stores and versions."""
        return _number(self)

    @property
    def id(self) -> str:
        """The number in hex, 16 digits."""
        return assertion_id(self.number)


@lru_cache(maxsize=65_536)
def _number(key: AssertionKey) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(key).encode()).digest()[:8]) >> 1


def assertion_id(number: int) -> str:
    """The id of the assertion with this number."""
    return f"{number:016x}"


def assertion_key(claim: Claim, model: BeliefModel | None = None) -> AssertionKey | None:
    """The assertion that a claim states; None for a claim that has a value and no object."""
    if claim.object_id is None:
        return None
    meaning = (model or belief_model()).meaning_of(claim.qualifiers)
    return AssertionKey(claim.subject_id, claim.predicate, claim.object_id, _encode(meaning).decode())


class KnownAssertion(NamedTuple):
    """An assertion as a graph holds it."""

    key: AssertionKey
    tally: Tally


def settled(
    new: Mapping[str, AssertionKey],
    known: Mapping[str, KnownAssertion],
    held: Mapping[str, Iterable[Stated]],
    added: Mapping[str, Iterable[Stated]],
) -> dict[str, Tally]:
    """What the claims of each assertion say, by its id: of those a write states (``new``) and those it touches (``known``).

    ``held``: the claims that a graph knows to state them; ``added``: those of the write.

    Raises:
        GraphConstraintError: two statements have the same number.
    """
    for key in known.keys() & new.keys():
        if known[key].key != new[key]:
            raise GraphConstraintError(f"{new[key]} and {known[key].key} have the same number {key}.")
    return {key: belief_model().tally([*held.get(key, ()), *added.get(key, ())]) for key in {**new, **known}}


def assertion_row(key: AssertionKey, tally: Tally) -> dict[str, Any]:
    """The properties of an assertion's node."""
    return {"assertion_id": key.id, "number": key.number, **key._asdict(), **msgspec.structs.asdict(tally)}


def step_row(key: AssertionKey, tally: Tally) -> dict[str, Any]:
    """The properties of ``RELATED_TO``."""
    return {"number": key.number, "predicate": key.predicate, "belief": tally.belief, "belief_against": tally.belief_against}
