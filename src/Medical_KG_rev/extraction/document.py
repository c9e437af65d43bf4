"""The extract stage: what a document's record states, and what its text says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from Medical_KG_rev.extraction.names import own_id
from Medical_KG_rev.extraction.record import RecordExtractor
from Medical_KG_rev.extraction.spans import FoundClaim, FoundMention
from Medical_KG_rev.extraction.statements import Statements
from Medical_KG_rev.extraction.text import Findings, TextReader
from Medical_KG_rev.models import BlockType, Claim, Document, Entity, SectionKind, StageContext

Xrefs = Callable[[str], Sequence[str]]
"""The other ids of an entity, by its id."""

DocumentClaims = Callable[[StageContext, Document, Findings], list[FoundClaim]]
"""Finds claims in a whole document: by where something is said, or by asking elsewhere."""

_TELLING = frozenset({BlockType.PARAGRAPH, BlockType.HEADER, BlockType.FIGURE, BlockType.FOOTNOTE})
_READ = _TELLING | {BlockType.LIST, BlockType.TABLE}


class DocumentExtractor:
    """States what the record says, then what the running text of the body adds; English only, other texts keep their record.

    What the record has named stays as it is: a text adds mentions and claims, and the type of what is a mere topic of the record.
    ``parts`` are the fingerprints of ``claims``.
    """

    def __init__(
        self,
        record: RecordExtractor,
        reader: TextReader,
        xrefs: Xrefs,
        claims: Sequence[DocumentClaims] = (),
        parts: Sequence[str] = (),
    ) -> None:
        self._record = record
        self._reader = reader
        self._xrefs = xrefs
        self._claims = tuple(claims)
        self.fingerprint = "+".join((record.fingerprint, reader.fingerprint, *parts))

    def execute(self, ctx: StageContext, document: Document) -> tuple[list[Entity], list[Claim]]:
        """Entities with their mentions, and claims with their evidence; the same for the same document, in the same order."""
        statements = self._record.state(document)
        if document.language.lower().startswith("en"):
            self._add_text(ctx, statements, document)
        return statements.finish()

    def _add_text(self, ctx: StageContext, statements: Statements, document: Document) -> None:
        blocks = [block for section, block in document.iter_blocks() if section.kind is SectionKind.BODY and block.type in _READ]
        ranges = [(block.start, block.end) for block in blocks]
        telling = [(block.start, block.end) for block in blocks if block.type in _TELLING]
        findings = self._reader.read(document.text, ranges, telling=telling)
        for mention in findings.mentions:
            self._add_mention(statements, mention, document.text[mention.start : mention.end])
        found = [claim for find in self._claims for claim in find(ctx, document, findings)]
        for claim in (*findings.claims, *found):
            statements.found_claim(claim)

    def _add_mention(self, statements: Statements, mention: FoundMention, words: str) -> None:
        if not mention.candidates:
            statements.found_mention(mention, own_id(mention.type, words), words)
            return
        for meant in (mention.candidates[0], *mention.also):
            statements.found_mention(mention, meant.id, meant.name, self._xrefs(meant.id))
