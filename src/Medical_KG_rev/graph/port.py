"""The graph store: what any knowledge graph behind the system must do, and what it answers with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from Medical_KG_rev.models import Claim, Entity, EntityType, GraphWriteReceipt


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
    """A place where a document names the entity."""

    doc_id: str
    start: int
    end: int
    text: str
    score: float


class EvidenceRow(_Result, frozen=True, kw_only=True):
    """The words that support a claim: characters ``start:end`` of the document's text."""

    doc_id: str
    start: int
    end: int
    text: str
    section: str

    @property
    def place(self) -> str:
        """``<doc_id>:<start>-<end>``, as the command line prints it."""
        return f"{self.doc_id}:{self.start}-{self.end}"


class ClaimRow(_Result, frozen=True, kw_only=True):
    """A claim with both its ends and its evidence. ``object`` is None where the claim has a ``value``."""

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


class EntityView(_Result, frozen=True, kw_only=True):
    """What the graph holds of one entity.

    ``claims_out`` are those whose subject it is, ``claims_in`` those whose object it is. Each list holds at most the ``limit``
    asked for; the totals count all.
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
    """How much a tenant's graph holds."""

    documents: int = 0
    entities: int = 0
    claims: int = 0
    evidence: int = 0
    mentions: int = 0
    relationships: int = 0
    entity_types: Mapping[str, int] = {}
    predicates: Mapping[str, int] = {}
    size_bytes: int = 0


@runtime_checkable
class GraphStore(Protocol):
    """A property graph per tenant.

    Readers never see half of a write. Every method raises StoreUnavailableError when the store cannot be reached, and
    StoreCorruptError when what it holds cannot be read.
    """

    def write(
        self,
        tenant_id: str,
        documents: Sequence[str],
        versions: Mapping[str, str],
        entities: Sequence[Entity],
        claims: Sequence[Claim],
    ) -> GraphWriteReceipt:
        """Writes all in one transaction: each document replaces what the graph held of it, so that twice is as good as once.

        An entity that other documents support too keeps what they know: aliases, xrefs and attributes are joined.

        Raises:
            GraphConstraintError: a claim's end is not in the call nor in the graph, or its id belongs to another document.
            StorageFullError: no room; the graph is as it was.
        """
        ...

    def live_versions(self, tenant_id: str, doc_ids: Sequence[str]) -> dict[str, str]:
        """The version of each of these documents that the graph holds now; absent ids are absent."""
        ...

    def existing_entities(self, tenant_id: str, entity_ids: Sequence[str]) -> frozenset[str]:
        """Which of these entities the graph holds."""
        ...

    def delete(self, tenant_id: str, doc_id: str) -> int:
        """Removes the document, its claims and evidence, and entities that nothing else supports; the number of nodes."""
        ...

    def show(self, tenant_id: str, entity: str, limit: int = 25) -> EntityLookup:
        """Finds an entity by id, name or alias, in any case."""
        ...

    def query(
        self,
        tenant_id: str,
        cypher: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        limit: int = 1000,
        timeout_seconds: float = 30.0,
    ) -> QueryRows:
        """Runs a reading query.

        Raises:
            QueryRefusedError: it is outside the allow-list, is not valid Cypher, or took longer than the timeout.
        """
        ...

    def stats(self, tenant_id: str) -> GraphStats:
        """Counts; all 0 for a tenant that has no graph."""
        ...
