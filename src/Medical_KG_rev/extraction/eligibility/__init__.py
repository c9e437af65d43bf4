"""Eligibility criteria of studies as structured constraints."""

from Medical_KG_rev.extraction.eligibility.claims import eligibility_claims
from Medical_KG_rev.extraction.eligibility.kinds import Kind

__all__ = ["Kind", "eligibility_claims"]
