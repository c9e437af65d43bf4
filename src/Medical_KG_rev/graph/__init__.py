"""The knowledge graph: a store per tenant, written with constraints and read by name or by Cypher."""

from Medical_KG_rev.graph.constraints import Violation, violations
from Medical_KG_rev.graph.cypher import reading_query
from Medical_KG_rev.graph.ladybug_store import LadybugGraphStore
from Medical_KG_rev.graph.port import (
    ClaimRow,
    EntityLookup,
    EntityRef,
    EntityView,
    EvidenceRow,
    GraphStats,
    GraphStore,
    MentionRow,
    QueryRows,
)
from Medical_KG_rev.graph.session import EngineLimits
from Medical_KG_rev.graph.writer import GraphWriter

__all__ = [
    "ClaimRow",
    "EngineLimits",
    "EntityLookup",
    "EntityRef",
    "EntityView",
    "EvidenceRow",
    "GraphStats",
    "GraphStore",
    "GraphWriter",
    "LadybugGraphStore",
    "MentionRow",
    "QueryRows",
    "Violation",
    "reading_query",
    "violations",
]
