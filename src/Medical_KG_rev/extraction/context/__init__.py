"""How texts speak of what they name: negation, certainty, family, past."""

from Medical_KG_rev.extraction.context.finder import ContextFinder

__all__ = ["ContextFinder"]
