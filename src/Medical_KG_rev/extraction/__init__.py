"""From documents to entities and claims."""

from Medical_KG_rev.extraction.predicates import PREDICATES
from Medical_KG_rev.extraction.record import RecordExtractor

__all__ = ["PREDICATES", "RecordExtractor"]
