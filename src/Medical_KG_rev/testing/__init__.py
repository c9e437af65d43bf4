"""Conformance kits: what any implementation of a stage, a store or a source must pass. Shipped, so that others test theirs."""

from Medical_KG_rev.testing.adapters import check_adapter
from Medical_KG_rev.testing.expect import ConformanceError, expect
from Medical_KG_rev.testing.stages import check_stage
from Medical_KG_rev.testing.storage import check_object_store

__all__ = ["ConformanceError", "check_adapter", "check_object_store", "check_stage", "expect"]
