"""What a graph store answers with. All are plain data; ``to_dict`` gives JSON values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from Medical_KG_rev.models import Certainty, EntityType


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    def to_dict(self) -> dict[str, Any]:
        """JSON values only."""
        return dict(msgspec.to_builtins(self))


class EntityRef(_Result, frozen=True, kw_only=True):
    """An entity by name, without what is known of it."""

    id: str
    type: EntityType
    name: str


class MentionRow(_Result, frozen=True, kw_only=True):
    """A place where a document names the entity, and how it speaks of it there."""

    doc_id: str
    start: int
    end: int
    text: str
    score: float
    negated: bool = False
    certainty: Certainty = Certainty.STATED
    family: bool = False
    historical: bool = False


class EvidenceRow(_Result, frozen=True, kw_only=True):
    """The words that support a claim: characters ``start:end`` of the document's text."""

    doc_id: str
    start: int
    end: int
    text: str
    section: str
    page: int | None = None

    @property
    def place(self) -> str:
        """``<doc_id>:<start>-<end>``, as the command line prints it."""
        return f"{self.doc_id}:{self.start}-{self.end}"


class ClaimRow(_Result, frozen=True, kw_only=True):
    """A claim with both its ends and its evidence. ``object`` is None where the claim has a ``value``.

    ``status`` is its document's: a ``retracted`` claim weighs nothing. ``activity`` is the version of what made it, with
    ``method``. ``assertion_id`` names what it states together with claims of other documents; None for a value.
    """

    id: str
    doc_id: str
    subject: EntityRef
    predicate: str
    object: EntityRef | None
    value: str | None
    qualifiers: Mapping[str, Any]
    score: float
    negated: bool
    method: str
    evidence: tuple[EvidenceRow, ...]
    certainty: Certainty = Certainty.STATED
    activity: str = ""
    source: str = ""
    status: str = "live"
    assertion_id: str | None = None


class AssertionRow(_Result, frozen=True, kw_only=True):
    """What claims of any number of documents say together, with the claims that say so where they were asked for.

    ``belief`` comes from those that affirm, ``belief_against`` from those that deny. Hypothetical claims and those of retracted
    documents weigh nothing; they are counted.
    """

    id: str
    subject: EntityRef
    predicate: str
    object: EntityRef
    qualifiers: Mapping[str, Any]
    belief: float
    belief_against: float
    claims_for: int
    claims_against: int
    claims_hypothetical: int
    claims_retracted: int
    documents: int
    claims: tuple[ClaimRow, ...] = ()


class Neighbour(_Result, frozen=True, kw_only=True):
    """An entity that an assertion links to another.

    ``assertion_id`` with ``predicate`` leads from ``subject_id`` to ``object_id``: one of them is the neighbour, the other its
    neighbour one hop nearer. ``belief`` is the product over all hops.
    """

    entity: EntityRef
    hop: int
    belief: float
    belief_against: float
    assertion_id: str
    predicate: str
    subject_id: str
    object_id: str


class GraphPath(_Result, frozen=True, kw_only=True):
    """A way from one entity to another: ``steps[i]`` links ``entities[i]`` and ``entities[i + 1]``, in either direction."""

    entities: tuple[EntityRef, ...]
    steps: tuple[AssertionRow, ...]
    belief: float


class PassageEntity(_Result, frozen=True, kw_only=True):
    """An entity that a range of text names, and where."""

    entity: EntityRef
    mentions: tuple[MentionRow, ...]


class DocumentRecord(_Result, frozen=True, kw_only=True):
    """A document as ingested: ``source`` is its data set, ``status`` live or retracted."""

    id: str
    source: str
    version: str
    status: str


class EntityRecord(_Result, frozen=True, kw_only=True):
    """An entity with what all documents know of it."""

    id: str
    type: EntityType
    name: str
    aliases: tuple[str, ...]
    xrefs: tuple[str, ...]
    attributes: Mapping[str, Any]


class MentionRecord(_Result, frozen=True, kw_only=True):
    """A mention with the entity that it names."""

    entity_id: str
    mention: MentionRow


GraphRecord = DocumentRecord | EntityRecord | MentionRecord | ClaimRow | AssertionRow
"""One record of a dump."""


class EntityView(_Result, frozen=True, kw_only=True):
    """What the graph holds of one entity.

    ``claims_out`` are those whose subject it is, ``claims_in`` those whose object it is, ``assertions`` what the claims of all
    documents say together, the most believed first. Each list holds at most the ``limit`` asked for; the totals count all.
    """

    id: str
    type: EntityType
    name: str
    aliases: tuple[str, ...]
    xrefs: tuple[str, ...]
    attributes: Mapping[str, Any]
    mentions: tuple[MentionRow, ...]
    mentions_total: int
    claims_out: tuple[ClaimRow, ...]
    claims_out_total: int
    claims_in: tuple[ClaimRow, ...]
    claims_in_total: int
    assertions: tuple[AssertionRow, ...] = ()
    assertions_total: int = 0


class EntityLookup(_Result, frozen=True, kw_only=True):
    """The answer to ``show``: one entity; or the ``candidates`` that share the name; or neither, when nothing is known."""

    query: str
    entity: EntityView | None = None
    candidates: tuple[EntityRef, ...] = ()


class QueryRows(_Result, frozen=True, kw_only=True):
    """The rows of a Cypher query; ``truncated`` when there were more than the row limit."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False


class GraphStats(_Result, frozen=True, kw_only=True):
    """How much a tenant's graph holds; ``retracted`` and ``withdrawn`` count documents, which are among ``documents`` too."""

    documents: int = 0
    entities: int = 0
    claims: int = 0
    evidence: int = 0
    mentions: int = 0
    assertions: int = 0
    retracted: int = 0
    withdrawn: int = 0
    relationships: int = 0
    entity_types: Mapping[str, int] = {}
    predicates: Mapping[str, int] = {}
    size_bytes: int = 0
