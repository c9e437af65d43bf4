"""ClinicalTrials.gov API v2 studies."""

from Medical_KG_rev.parsing.ctgov.document import VERSION, parse

__all__ = ["VERSION", "parse"]
