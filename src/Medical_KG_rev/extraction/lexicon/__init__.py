"""The lexicon: names of biomedical concepts from public ontologies, in one read-only file, and where texts use them."""

from Medical_KG_rev.extraction.lexicon.lexicon import Lexicon, LexiconMatch
from Medical_KG_rev.extraction.lexicon.terms import Concept, LexiconName, NameKind

__all__ = ["Concept", "Lexicon", "LexiconMatch", "LexiconName", "NameKind"]
