"""Relations that a text states between the entities that it names: a trained model of pairs, and rules of single sentences."""

from Medical_KG_rev.extraction.relations.finder import WEIGHTS, RelationFinder
from Medical_KG_rev.extraction.relations.model import RelationModel

__all__ = ["WEIGHTS", "RelationFinder", "RelationModel"]
