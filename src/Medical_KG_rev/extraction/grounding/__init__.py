"""Mentions: what a text names, found by the lexicon and a tagger, and what each means."""

from Medical_KG_rev.extraction.grounding.candidates import Grounder
from Medical_KG_rev.extraction.grounding.finder import MentionFinder

__all__ = ["Grounder", "MentionFinder"]
