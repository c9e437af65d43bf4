"""Collects what a document states: each entity and each claim once, with every place that says so."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

import msgspec

from Medical_KG_rev.extraction.spans import FoundClaim, FoundMention
from Medical_KG_rev.models import Annotation, Claim, Document, Entity, EntityType, Evidence, Mention, Span

_ENCODER = msgspec.json.Encoder(order="sorted")


class _EntityDraft:
    __slots__ = ("aliases", "attributes", "mentions", "name", "type", "xrefs")

    def __init__(self, type: EntityType, name: str) -> None:
        self.type = type
        self.name = name
        self.aliases: dict[str, None] = {}
        self.xrefs: dict[str, None] = {}
        self.mentions: dict[tuple[int, int], FoundMention | None] = {}
        self.attributes: dict[str, Any] = {}


class _ClaimDraft:
    """A claim without its evidence, and the ranges that say so."""

    __slots__ = ("evidence", "found")

    def __init__(self, found: FoundClaim) -> None:
        self.found = found
        self.evidence: dict[tuple[int, int], None] = {}


class Statements:
    """What one document states. Entities and claims come out in the order in which they were first stated."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._entities: dict[str, _EntityDraft] = {}
        self._claims: dict[str, _ClaimDraft] = {}
        self._places: list[tuple[int, int]] | None = None

    def __contains__(self, entity_id: str) -> bool:
        return entity_id in self._entities

    def entity(
        self,
        entity_id: str,
        type: EntityType,
        name: str,
        /,
        *mentions: Annotation | Span,
        aliases: Iterable[str] = (),
        xrefs: Iterable[str | None] = (),
        **attributes: Any,
    ) -> str:
        """States that an entity exists, and returns its id. What is said again is added; the first name and type stay."""
        draft = self._entities.get(entity_id)
        if draft is None:
            draft = self._entities[entity_id] = _EntityDraft(type, name)
        elif name != draft.name:
            draft.aliases[name] = None
        draft.aliases.update((alias, None) for alias in aliases if alias and alias != draft.name)
        draft.xrefs.update((xref, None) for xref in xrefs if xref and xref != entity_id)
        draft.mentions.update(((mention.start, mention.end), None) for mention in mentions)
        for key, value in attributes.items():
            if value not in (None, "", [], {}):
                draft.attributes.setdefault(key, value)
        return entity_id

    def claim(
        self,
        subject_id: str,
        predicate: str,
        object_id: str | None,
        /,
        *evidence: Annotation | Span,
        value: str | None = None,
        **qualifiers: Any,
    ) -> None:
        """States what the record says; qualifiers that are empty are left out. The same claim again adds its evidence."""
        kept = {key: item for key, item in qualifiers.items() if item not in (None, "", [], {})}
        places = tuple((span.start, span.end) for span in evidence)
        self.found_claim(FoundClaim(subject_id, predicate, object_id, places, 1.0, "record", value=value, qualifiers=kept))

    def found_mention(self, mention: FoundMention, entity_id: str, name: str, xrefs: Iterable[str] = ()) -> None:
        """States that a text names an entity, which tells what kind of thing a mere topic of the record is.

        A place that the record has stated already stays as it is.
        """
        self.entity(entity_id, mention.type, name, xrefs=xrefs)
        draft = self._entities[entity_id]
        if draft.type is EntityType.CONCEPT:
            draft.type = mention.type
        draft.mentions.setdefault((mention.start, mention.end), mention)

    def found_claim(self, claim: FoundClaim) -> None:
        """States a claim; the same again adds its evidence, and the greater score counts."""
        identity: tuple[Any, ...] = (self.document.doc_id, claim.subject, claim.predicate, claim.object, claim.value)
        identity += (claim.qualifiers,)
        if claim.method != "record":
            identity += (claim.method, claim.negated, claim.certainty)
        claim_id = hashlib.sha256(_ENCODER.encode(identity)).hexdigest()[:20]
        draft = self._claims.get(claim_id)
        if draft is None:
            draft = self._claims[claim_id] = _ClaimDraft(claim)
        elif claim.score > draft.found.score:
            draft.found = claim
        draft.evidence.update((place, None) for place in claim.evidence)

    def finish(self) -> tuple[list[Entity], list[Claim]]:
        """Everything stated, as it goes to the graph."""
        entities = [self._entity(entity_id, draft) for entity_id, draft in self._entities.items()]
        return entities, [self._claim(claim_id, draft) for claim_id, draft in self._claims.items()]

    def _entity(self, entity_id: str, draft: _EntityDraft) -> Entity:
        return Entity(
            id=entity_id,
            type=draft.type,
            name=draft.name,
            aliases=tuple(draft.aliases),
            xrefs=tuple(draft.xrefs),
            mentions=tuple(self._mention(start, end, found) for (start, end), found in draft.mentions.items()),
            attributes=draft.attributes,
        )

    def _mention(self, start: int, end: int, found: FoundMention | None) -> Mention:
        doc_id, text = self.document.doc_id, self.document.text[start:end]
        if found is None:
            return Mention(doc_id=doc_id, start=start, end=end, text=text)
        context = found.context
        return Mention(
            doc_id=doc_id,
            start=start,
            end=end,
            text=text,
            score=found.score,
            negated=context.negated,
            certainty=context.certainty,
            family=context.family,
            historical=context.historical,
        )

    def _claim(self, claim_id: str, draft: _ClaimDraft) -> Claim:
        found = draft.found
        return Claim(
            id=claim_id,
            doc_id=self.document.doc_id,
            subject_id=found.subject,
            predicate=found.predicate,
            object_id=found.object,
            value=found.value,
            qualifiers=found.qualifiers,
            score=found.score,
            negated=found.negated,
            certainty=found.certainty,
            method=found.method,
            evidence=tuple(self._evidence(start, end) for start, end in draft.evidence),
        )

    def _evidence(self, start: int, end: int) -> Evidence:
        document = self.document
        section_index, block_index = self._place(start)
        section = document.sections[section_index] if section_index >= 0 else None
        block = section.blocks[block_index] if section and block_index >= 0 else None
        return Evidence(
            doc_id=document.doc_id,
            start=start,
            end=end,
            text=document.text[start:end],
            section=section.title if section else "",
            page=block.page if block else None,
            bbox=block.bbox if block else None,
        )

    def _place(self, offset: int) -> tuple[int, int]:
        """Indices of the section and of its block that hold an offset; -1 where none begins at or before it."""
        if self._places is None:
            sections = self.document.sections
            self._places = [(s, b) for s, section in enumerate(sections) for b in range(len(section.blocks))]
            self._starts = [block.start for section in sections for block in section.blocks]
        index = bisect_right(self._starts, offset) - 1
        return self._places[index] if index >= 0 else (-1, -1)
