"""Search and graph together: the entities that hits name, and searches for what names an entity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from Medical_KG_rev.errors import MedicalKGError, ModelNotInstalledError, UsageError
from Medical_KG_rev.index.results import HitEntity, SearchResult

if TYPE_CHECKING:
    from Medical_KG_rev.extraction.lexicon import Lexicon
    from Medical_KG_rev.graph import EntityRef, GraphStore
    from Medical_KG_rev.parts import PlatformParts

MAX_DOCUMENTS = 10_000
"""A search for an entity that more documents name is refused: a filter names each of them."""
_NO_DOCUMENT = "none:"
OVERFETCH = 5
"""So many passages are looked at for each that is wanted: a document that names an entity does not do so in every passage."""


@dataclass(frozen=True, slots=True)
class EntityScope:
    """An entity, all that is narrower, and the documents that name any of them."""

    id: str
    name: str
    ids: frozenset[str]
    documents: frozenset[str]

    def narrow(self, filters: Mapping[str, Iterable[str]]) -> dict[str, Iterable[str]]:
        """The filters, with the documents of this scope as well."""
        asked = filters.get("doc_id", self.documents)
        wanted = self.documents & {asked} if isinstance(asked, str) else self.documents.intersection(asked)
        return {**filters, "doc_id": sorted(wanted) or [_NO_DOCUMENT]}


def entity_scope(parts: PlatformParts, tenant_id: str, entity: str) -> EntityScope:
    """The scope of an entity given by id or name, in any case.

    Raises:
        UsageError: it is unknown, several share the name, or more than MAX_DOCUMENTS documents name it.
    """
    lexicon = lexicon_of(parts)
    found = _find(lexicon, parts.graph, tenant_id, entity)
    narrower = lexicon.narrower(found.id) if lexicon is not None else frozenset()
    ids = frozenset({found.id, *narrower})
    documents = parts.graph.documents_naming(tenant_id, sorted(ids))
    if len(documents) > MAX_DOCUMENTS:
        raise UsageError(
            f"{len(documents):,} documents name {found.name} ({found.id}) or something narrower.",
            remedy=f"Search for a narrower entity: at most {MAX_DOCUMENTS:,} documents can be searched by one.",
            entity=found.id,
        )
    return EntityScope(found.id, found.name, ids, documents)


def with_entities(graph: GraphStore, tenant_id: str, result: SearchResult) -> SearchResult:
    """The result with the entities that each hit's passage names; a graph that cannot be asked is told of, and fails nothing."""
    if not result.hits:
        return result
    try:
        found = graph.passages_entities(tenant_id, [(hit.doc_id, hit.start, hit.end) for hit in result.hits])
    except MedicalKGError as error:
        return msgspec.structs.replace(result, entities_error={"code": error.code, "message": error.message})
    hits = [
        msgspec.structs.replace(
            hit, entities=tuple(HitEntity(each.entity.id, each.entity.type.value, each.entity.name) for each in named)
        )
        for hit, named in zip(result.hits, found, strict=True)
    ]
    return msgspec.structs.replace(result, hits=tuple(hits))


def naming(result: SearchResult, ids: frozenset[str], offset: int, k: int) -> SearchResult:
    """The result with the hits that name any of these entities, ``k`` from ``offset`` on, ranked anew."""
    kept = [hit for hit in result.hits if any(each.id in ids for each in hit.entities or ())]
    page = enumerate(kept[offset : offset + k], start=offset + 1)
    return msgspec.structs.replace(result, hits=tuple(msgspec.structs.replace(hit, rank=rank) for rank, hit in page))


def lexicon_of(parts: PlatformParts) -> Lexicon | None:
    """Without a lexicon, a graph of what records state still has its ids and names."""
    try:
        return parts.lexicon
    except ModelNotInstalledError:
        return None


def _find(lexicon: Lexicon | None, graph: GraphStore, tenant_id: str, entity: str) -> EntityRef:
    from Medical_KG_rev.graph import EntityRef
    from Medical_KG_rev.graph.naming import meant

    known = lexicon.concept(entity.strip()) if lexicon is not None else None
    if known is not None:
        return EntityRef(id=known.id, type=known.type, name=known.name)
    candidates = meant(graph.find(tenant_id, entity))
    if not candidates and lexicon is not None:
        called = {name.concept: name for name in lexicon.lookup(entity)}
        candidates = tuple(
            EntityRef(id=each.id, type=each.type, name=each.name) for each in map(lexicon.concept, called) if each is not None
        )
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise UsageError(
            f"No entity is called {entity!r}.",
            remedy="Give an id such as MESH:D008687, or a name; `medkg graph show NAME` looks in the graph.",
            entity=entity,
        )
    raise UsageError(
        f"Several entities are called {entity!r}.",
        remedy=f"Give one of their ids: {', '.join(f'{each.id} ({each.type.value}: {each.name})' for each in candidates[:10])}.",
        valid=[each.id for each in candidates],
    )
