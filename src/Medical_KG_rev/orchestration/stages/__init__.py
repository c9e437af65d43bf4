"""What stages promise, which types there are, and whether an implementation keeps the promise."""

from Medical_KG_rev.orchestration.stages.registry import ENTRY_POINT_GROUP, StageFactory, StageRegistry, StageType, without_config
from Medical_KG_rev.orchestration.stages.signatures import check_signature

__all__ = ["ENTRY_POINT_GROUP", "StageFactory", "StageRegistry", "StageType", "check_signature", "without_config"]
