"""The graph store: what any knowledge graph behind the system must do, and what it answers with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from Medical_KG_rev.graph.results import (
    EntityLookup,
    EntityRef,
    GraphPath,
    GraphRecord,
    GraphStats,
    Neighbour,
    PassageEntity,
    QueryRows,
)
from Medical_KG_rev.models import Claim, Entity, GraphWriteReceipt

TextRange = tuple[str, int, int]
"""Characters ``start:end`` of a document's text: ``(doc_id, start, end)``."""


@runtime_checkable
class GraphStore(Protocol):
    """A property graph per tenant, of the schema in ``schema.yaml``.

    Readers never see half of a write. What a tenant asks is answered from that tenant's graph alone. Every method raises
    StoreUnavailableError when the store cannot be reached, and StoreCorruptError when what it holds cannot be read.
    """

    def write(
        self,
        tenant_id: str,
        documents: Sequence[str],
        versions: Mapping[str, str],
        entities: Sequence[Entity],
        claims: Sequence[Claim],
        *,
        activity: str = "",
    ) -> GraphWriteReceipt:
        """Writes all in one transaction: each document replaces what the graph held of it, so that twice is as good as once.

        ``activity`` is the version of what made the claims: the extractor's fingerprint, or the pipeline's.

        An entity that other documents support too keeps what they know: aliases, xrefs and attributes are joined. Every
        assertion that gains or loses a claim is computed anew in the same transaction. A document whose own entity has the
        attribute ``retracted`` is marked; its claims weigh nothing.

        Raises:
            GraphConstraintError: the rows break the schema, a claim's end is not in the call nor in the graph, or a claim's id
                belongs to another document. Nothing was written.
            StorageFullError: no room; the graph is as it was.
        """
        ...

    def live_versions(self, tenant_id: str, doc_ids: Sequence[str]) -> dict[str, str]:
        """The version of each of these documents that the graph holds now; absent and withdrawn ones are absent."""
        ...

    def existing_entities(self, tenant_id: str, entity_ids: Sequence[str]) -> frozenset[str]:
        """Which of these entities the graph holds."""
        ...

    def delete(self, tenant_id: str, doc_id: str, *, purge: bool = True) -> int:
        """Removes a document; 0 where the graph holds none of that id.

        ``purge``: the document, its claims, evidence and mentions are gone for good, and with them entities, sections and
        assertions that nothing else supports; the number of nodes that are gone. Otherwise it is withdrawn: all stays, marked,
        but weighs nothing and is left out of ``show``, ``neighbours``, ``path``, ``dump`` and what passages and documents name,
        until it is written again; 1.
        """
        ...

    def show(self, tenant_id: str, entity: str, limit: int = 25) -> EntityLookup:
        """Finds an entity by id, name or alias, in any case."""
        ...

    def find(self, tenant_id: str, text: str, limit: int = 25) -> tuple[EntityRef, ...]:
        """Entities by id, in any case; where no id is that, by name or alias; sorted by id."""
        ...

    def neighbours(self, tenant_id: str, entity_id: str, *, hops: int = 1, limit: int = 100) -> tuple[Neighbour, ...]:
        """Entities that assertions link to this one, in either direction, by hop and then by belief.

        Of each hop the ``limit`` entities of the highest belief, each once, by its best assertion, at the first hop that reaches
        it; the next hop starts from those. The belief at hop n is the product of the beliefs on the way; equals come by the
        assertion's id.
        Nothing for an entity that the graph does not hold. ``hops`` from 1 to 4, else UsageError.
        """
        ...

    def path(self, tenant_id: str, a: str, b: str, *, max_hops: int = 4, limit: int = 5) -> tuple[GraphPath, ...]:
        """The shortest ways over assertions, in either direction, from one entity id to another.

        All ways have the same, least length, at most ``max_hops`` (1 to 6); those of the highest belief (the product) first.
        Where several assertions link the same two entities, a way takes the one of the highest belief. No way passes an
        assertion in which nothing is believed (belief 0). Each step carries its assertion with evidence.

        Raises:
            QueryRefusedError: the search took longer than 30 s.
            UsageError: ``max_hops`` is out of bounds.
        """
        ...

    def dump(self, tenant_id: str, *, entity: str | None = None, hops: int = 1) -> Iterator[GraphRecord]:
        """What the graph holds, as of one moment: documents, entities, mentions, claims with their evidence, assertions.

        In that order, each kind sorted by id (mentions by entity, document and place). ``entity`` (an id): only that entity and
        those within ``hops`` of it, the claims between them and their values, the assertions between them, and the documents
        of all these. Nothing for an entity that the graph does not hold. Withdrawn documents are left out. The iterator holds
        the graph open until it is used up or closed.
        """
        ...

    def passages_entities(self, tenant_id: str, ranges: Sequence[TextRange]) -> tuple[tuple[PassageEntity, ...], ...]:
        """The entities that lie in each of these ranges, most mentions first, in the order of ``ranges``."""
        ...

    def documents_naming(self, tenant_id: str, entity_ids: Sequence[str]) -> frozenset[str]:
        """Documents that mention or describe any of these entities."""
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

    def close(self) -> None:
        """Lets go of files and connections. The store opens them anew when it is asked again."""
        ...
