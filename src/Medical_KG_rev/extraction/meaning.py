"""What the names in records mean, by the lexicon: only where it is sure."""

from __future__ import annotations

from Medical_KG_rev.extraction.lexicon import Lexicon, NameKind
from Medical_KG_rev.models import EntityType

_FITTING = {
    EntityType.DISEASE: (EntityType.DISEASE, EntityType.PHENOTYPE),
    EntityType.PHENOTYPE: (EntityType.DISEASE, EntityType.PHENOTYPE),
    EntityType.CHEMICAL: (EntityType.CHEMICAL, EntityType.GENE),
    EntityType.PROCEDURE: (EntityType.PROCEDURE,),
    EntityType.CONCEPT: tuple(EntityType),
}
"""Which types of the lexicon a name of a type may have: an event is a disease to one vocabulary and a finding to another, a
biological drug is a protein, a keyword may be anything."""


class LexiconMeaning:
    """Grounds a whole name, not a word of it: `Metformin`, not `Metformin 500 mg twice daily`."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self.fingerprint = f"meaning-1:{lexicon.fingerprint}"

    def __call__(self, name: str, type: EntityType) -> tuple[str, str] | None:
        """CURIE and canonical name of the one concept that is called so; None where there is none, or are several."""
        fitting = _FITTING.get(type, ())
        names = [found for found in self._lexicon.lookup(name) if found.type in fitting and found.kind is not NameKind.SYMBOL]
        first = names if type is EntityType.CONCEPT else [found for found in names if found.type is fitting[0]] or names
        preferred = {found.concept for found in first if found.kind is NameKind.PREFERRED} or {found.concept for found in first}
        if len(preferred) != 1:
            return None
        concept = self._lexicon.concept(preferred.pop())
        return (concept.id, concept.name) if concept is not None else None
