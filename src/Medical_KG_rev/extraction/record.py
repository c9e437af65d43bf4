"""Turns what a record states in structured form into grounded entities and claims. Free text is not interpreted."""

from __future__ import annotations

from typing import Any

from Medical_KG_rev.extraction.names import Meaning, doi_id, openalex_id, pmcid_id, pmid_id
from Medical_KG_rev.extraction.publications import read_publication
from Medical_KG_rev.extraction.statements import Statements
from Medical_KG_rev.extraction.trials import TrialReader
from Medical_KG_rev.models import Annotation, Claim, Document, Entity, EntityType, StageContext

_KINDS = {"study": EntityType.STUDY, "article": EntityType.PUBLICATION}
_ATTRIBUTES = (
    "date",
    "year",
    "url",
    "journal",
    "license",
    "retracted",
    "phase",
    "status",
    "study_type",
    "enrollment",
    "has_results",
    "acronym",
    "type",
)
"""Metadata that the document's own entity carries."""


class RecordExtractor:
    """The extract stage for what records state.

    It reads the document's annotations and metadata, whatever the source, and yields the document itself as an entity, the
    things that its record names with their mentions, and claims about them with the ranges that say so. Nothing is guessed: a
    text without annotations yields its own entity and no claim. ``meaning`` grounds names for which the record gives no
    identifier; ``version`` is its fingerprint.
    """

    def __init__(self, meaning: Meaning | None = None, version: str = "") -> None:
        self._meaning = meaning
        self.fingerprint = f"record-3:{version}" if version else "record-3"

    def execute(self, ctx: StageContext, document: Document) -> tuple[list[Entity], list[Claim]]:  # noqa: ARG002 - the contract's
        """Entities with their mentions, and claims with their evidence; the same for the same document, in the same order."""
        return self.state(document).finish()

    def state(self, document: Document) -> Statements:
        """What the record says, to which others may add."""
        own = _own_entity(document)
        by_kind: dict[str, list[Annotation]] = {}
        for annotation in document.annotations:
            by_kind.setdefault(annotation.kind, []).append(annotation)
        statements = Statements(document)
        statements.entity(own.id, own.type, own.name, xrefs=own.xrefs, **own.attributes)
        if own.type is EntityType.STUDY:
            TrialReader(statements, by_kind, self._meaning).read()
        read_publication(statements, by_kind, self._meaning)
        return statements


def _own_entity(document: Document) -> Entity:
    metadata = document.metadata
    attributes: dict[str, Any] = {"title": document.title, "source": document.source}
    attributes.update((name, metadata[name]) for name in _ATTRIBUTES if name in metadata)
    return Entity(
        id=document.doc_id,
        type=_KINDS.get(metadata.get("kind", ""), EntityType.TEXT),
        name=document.title or document.doc_id,
        xrefs=_xrefs(document),
        attributes=attributes,
    )


def _xrefs(document: Document) -> tuple[str, ...]:
    ids = document.metadata.get("identifiers")
    if not ids:
        return ()
    nct = ids.get("nct")
    known = (
        doi_id(ids.get("doi")),
        pmid_id(ids.get("pmid")),
        pmcid_id(ids.get("pmcid")),
        openalex_id(ids.get("openalex")),
        f"clinicaltrials:{nct}" if nct else None,
    )
    return tuple(xref for xref in known if xref and xref != document.doc_id)
