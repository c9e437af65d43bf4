"""A tenant's knowledge graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from Medical_KG_rev.graph import EntityLookup, GraphStats, LadybugGraphStore, QueryRows


@dataclass(frozen=True, slots=True)
class TenantGraph:
    """One tenant's knowledge graph, read only."""

    store: LadybugGraphStore
    tenant: str

    def show(self, entity: str, *, limit: int = 25) -> EntityLookup:
        """What the graph knows of an entity, by id or name."""
        return self.store.show(self.tenant, entity, limit)

    def query(
        self, cypher: str, parameters: Mapping[str, Any] | None = None, *, limit: int = 1000, timeout_seconds: float = 30.0
    ) -> QueryRows:
        """Rows of a reading Cypher query."""
        return self.store.query(self.tenant, cypher, parameters, limit=limit, timeout_seconds=timeout_seconds)

    def stats(self) -> GraphStats:
        """How much the graph holds."""
        return self.store.stats(self.tenant)
