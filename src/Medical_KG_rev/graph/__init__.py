"""The knowledge graph: a store per tenant, written with constraints and read by name or by Cypher."""

from Medical_KG_rev.graph.constraints import Violation, violations
from Medical_KG_rev.graph.cypher import reading_query
from Medical_KG_rev.graph.ladybug_store import LadybugGraphStore
from Medical_KG_rev.graph.port import GraphStore, TextRange
from Medical_KG_rev.graph.results import (
    AssertionRow,
    ClaimRow,
    DocumentRecord,
    EntityLookup,
    EntityRecord,
    EntityRef,
    EntityView,
    EvidenceRow,
    GraphPath,
    GraphRecord,
    GraphStats,
    MentionRecord,
    MentionRow,
    Neighbour,
    PassageEntity,
    QueryRows,
)
from Medical_KG_rev.graph.session import EngineLimits
from Medical_KG_rev.graph.writer import GraphWriter

__all__ = [
    "AssertionRow",
    "ClaimRow",
    "DocumentRecord",
    "EngineLimits",
    "EntityLookup",
    "EntityRecord",
    "EntityRef",
    "EntityView",
    "EvidenceRow",
    "GraphPath",
    "GraphRecord",
    "GraphStats",
    "GraphStore",
    "GraphWriter",
    "LadybugGraphStore",
    "MentionRecord",
    "MentionRow",
    "Neighbour",
    "PassageEntity",
    "QueryRows",
    "TextRange",
    "Violation",
    "reading_query",
    "violations",
]
