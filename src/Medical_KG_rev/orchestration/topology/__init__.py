"""Pipelines and resilience policies as configuration: models, loaders, versions, graphs, JSON Schema."""

from Medical_KG_rev.orchestration.topology.archive import TopologyArchive
from Medical_KG_rev.orchestration.topology.document import YamlDocument, parse_yaml, read_yaml
from Medical_KG_rev.orchestration.topology.graph import as_mermaid, as_text, downstream, order
from Medical_KG_rev.orchestration.topology.loader import PipelineLoader
from Medical_KG_rev.orchestration.topology.models import (
    CircuitBreakerConfig,
    GateDefinition,
    LedgerPredicate,
    PipelineTopologyConfig,
    RateLimitConfig,
    ResiliencePolicies,
    ResiliencePolicyConfig,
    StageDefinition,
)
from Medical_KG_rev.orchestration.topology.policies import PolicySnapshot, ResiliencePolicyLoader
from Medical_KG_rev.orchestration.topology.watch import ConfigWatch, OnRejected, OnReload, WatchThread

__all__ = [
    "CircuitBreakerConfig",
    "ConfigWatch",
    "GateDefinition",
    "LedgerPredicate",
    "OnRejected",
    "OnReload",
    "PipelineLoader",
    "PipelineTopologyConfig",
    "PolicySnapshot",
    "RateLimitConfig",
    "ResiliencePolicies",
    "ResiliencePolicyConfig",
    "ResiliencePolicyLoader",
    "StageDefinition",
    "TopologyArchive",
    "WatchThread",
    "YamlDocument",
    "as_mermaid",
    "as_text",
    "downstream",
    "order",
    "parse_yaml",
    "read_yaml",
]
