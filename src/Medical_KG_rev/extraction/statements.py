"""Collects what a document states: each entity and each claim once, with every place that says so."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from Medical_KG_rev.models import Annotation, Claim, Document, Entity, EntityType, Evidence, Mention, Span

_ENCODER = msgspec.json.Encoder(order="sorted")


class _EntityDraft:
    __slots__ = ("aliases", "attributes", "mentions", "name", "type", "xrefs")

    def __init__(self, type: EntityType, name: str) -> None:
        self.type = type
        self.name = name
        self.aliases: dict[str, None] = {}
        self.xrefs: dict[str, None] = {}
        self.mentions: dict[tuple[int, int], None] = {}
        self.attributes: dict[str, Any] = {}


class _ClaimDraft:
    __slots__ = ("evidence", "object_id", "predicate", "qualifiers", "subject_id", "value")

    def __init__(
        self, subject_id: str, predicate: str, object_id: str | None, value: str | None, qualifiers: Mapping[str, Any]
    ) -> None:
        self.subject_id = subject_id
        self.predicate = predicate
        self.object_id = object_id
        self.value = value
        self.qualifiers = qualifiers
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
        """States a claim; qualifiers that are empty are left out. The same claim again adds its evidence."""
        kept = {key: item for key, item in qualifiers.items() if item not in (None, "", [], {})}
        identity = (self.document.doc_id, subject_id, predicate, object_id, value, kept)
        claim_id = hashlib.sha256(_ENCODER.encode(identity)).hexdigest()[:20]
        draft = self._claims.get(claim_id)
        if draft is None:
            draft = self._claims[claim_id] = _ClaimDraft(subject_id, predicate, object_id, value, kept)
        draft.evidence.update(((span.start, span.end), None) for span in evidence)

    def finish(self) -> tuple[list[Entity], list[Claim]]:
        """Everything stated, as it goes to the graph."""
        entities = [self._entity(entity_id, draft) for entity_id, draft in self._entities.items()]
        return entities, [self._claim(claim_id, draft) for claim_id, draft in self._claims.items()]

    def _entity(self, entity_id: str, draft: _EntityDraft) -> Entity:
        doc_id, text = self.document.doc_id, self.document.text
        return Entity(
            id=entity_id,
            type=draft.type,
            name=draft.name,
            aliases=tuple(draft.aliases),
            xrefs=tuple(draft.xrefs),
            mentions=tuple(Mention(doc_id=doc_id, start=s, end=e, text=text[s:e]) for s, e in draft.mentions),
            attributes=draft.attributes,
        )

    def _claim(self, claim_id: str, draft: _ClaimDraft) -> Claim:
        return Claim(
            id=claim_id,
            doc_id=self.document.doc_id,
            subject_id=draft.subject_id,
            predicate=draft.predicate,
            object_id=draft.object_id,
            value=draft.value,
            qualifiers=draft.qualifiers,
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
