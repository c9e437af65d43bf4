"""Pipelines and resilience policies as configuration: models, loaders, versions, graphs, JSON Schema."""

from Medical_KG_rev.orchestration.topology.document import YamlDocument, read_yaml
from Medical_KG_rev.orchestration.topology.graph import as_mermaid, as_text, downstream, order
from Medical_KG_rev.orchestration.topology.loader import PipelineLoader, ResiliencePolicyLoader
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

__all__ = [
    "CircuitBreakerConfig",
    "GateDefinition",
    "LedgerPredicate",
    "PipelineLoader",
    "PipelineTopologyConfig",
    "RateLimitConfig",
    "ResiliencePolicies",
    "ResiliencePolicyConfig",
    "ResiliencePolicyLoader",
    "StageDefinition",
    "YamlDocument",
    "as_mermaid",
    "as_text",
    "downstream",
    "order",
    "read_yaml",
]
