"""An entity that many documents know, as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from Medical_KG_rev.models import Entity, EntityType

_VAGUE_TYPES = (EntityType.CONCEPT, EntityType.TEXT)
_TYPE_RANK = {kind: rank for rank, kind in enumerate([*(kind for kind in EntityType if kind not in _VAGUE_TYPES), *_VAGUE_TYPES])}
"""Where documents state different types of an entity, the lowest counts, in whatever order the documents come."""
_json = msgspec.json.Encoder(order="deterministic")


def merge_pair(first: Entity, second: Entity) -> Entity:
    """One entity of two of the same id.

    The first that says something wins for the name, the type of the lower rank for the type; the rest is joined.
    """
    return Entity(
        id=first.id,
        type=min(first.type, second.type, key=_TYPE_RANK.__getitem__),
        name=first.name or second.name,
        aliases=tuple(dict.fromkeys(first.aliases + second.aliases)),
        xrefs=tuple(dict.fromkeys(first.xrefs + second.xrefs)),
        mentions=first.mentions + second.mentions,
        attributes={**second.attributes, **first.attributes},
    )


def merge_entities(entities: Iterable[Entity]) -> dict[str, Entity]:
    """By id. Extraction works per document, so that a slice of documents brings the same entity many times."""
    merged: dict[str, Entity] = {}
    for entity in entities:
        known = merged.get(entity.id)
        merged[entity.id] = entity if known is None else merge_pair(known, entity)
    return merged


def join_known(new: Mapping[str, Entity], known: Mapping[str, Entity], own: Iterable[str]) -> dict[str, Entity]:
    """Those known entities that change, as they are from now on: a document (``own``) is the authority on its own entity.

    For all others what was known wins where both say something.
    """
    authorities = frozenset(own)
    joined = (
        merge_pair(new[key], old) if key in authorities else merge_pair(old, new[key]) for key, old in known.items() if key in new
    )
    kept = (msgspec.structs.replace(entity, mentions=()) for entity in joined)
    return {entity.id: entity for entity in kept if entity != known[entity.id]}


def to_json(value: Mapping[str, Any]) -> str:
    """A JSON object, the same text for the same object."""
    return _json.encode(value).decode()


def entity_row(entity: Entity) -> dict[str, Any]:
    """The properties of an entity's node."""
    names = (entity.id, entity.name, *entity.aliases)
    return {
        "entity_id": entity.id,
        "type": entity.type.value,
        "name": entity.name,
        "aliases": list(entity.aliases),
        "xrefs": list(entity.xrefs),
        "attributes": to_json(entity.attributes),
        "search_keys": list(dict.fromkeys(name.lower() for name in names if name)),
    }


def entity_of_row(row: Mapping[str, Any]) -> Entity:
    """The entity that a node's properties describe, without its mentions."""
    return Entity(
        id=row["entity_id"],
        type=EntityType(row["type"]),
        name=row["name"],
        aliases=tuple(row["aliases"]),
        xrefs=tuple(row["xrefs"]),
        attributes=msgspec.json.decode(row["attributes"]),
    )
