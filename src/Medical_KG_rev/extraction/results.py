"""What ``medkg extract`` answers about one text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from Medical_KG_rev.extraction.text import Findings
from Medical_KG_rev.models import Certainty, EntityType


class ExtractedMention(msgspec.Struct, frozen=True, kw_only=True):
    """A name: characters ``start:end`` of the text. ``id`` is None where nothing known is meant for sure.

    ``also``: what a coordination names besides ("breast and ovarian cancer").
    """

    start: int
    end: int
    text: str
    type: EntityType
    id: str | None
    name: str | None
    also: tuple[str, ...]
    score: float
    negated: bool
    certainty: Certainty
    family: bool
    historical: bool
    reason: str


class ExtractedRange(msgspec.Struct, frozen=True):
    """Characters ``start:end`` of the text."""

    start: int
    end: int


class ExtractedClaim(msgspec.Struct, frozen=True, kw_only=True):
    """What the text says of ``subject``; ``object`` is None where the claim has a ``value``. ``evidence`` says so first."""

    subject: str
    predicate: str
    object: str | None
    value: str | None
    evidence: ExtractedRange
    more_evidence: tuple[ExtractedRange, ...]
    score: float
    negated: bool
    certainty: Certainty
    method: str
    qualifiers: Mapping[str, Any]


class Extraction(msgspec.Struct, frozen=True, kw_only=True):
    """The entities that a text names and the claims that it makes."""

    id: str
    mentions: tuple[ExtractedMention, ...]
    claims: tuple[ExtractedClaim, ...]

    @classmethod
    def of(cls, text_id: str, findings: Findings) -> Extraction:
        """Findings as they are written out."""
        text = findings.text.text
        mentions = [
            ExtractedMention(
                start=mention.start,
                end=mention.end,
                text=text[mention.start : mention.end],
                type=mention.type,
                id=mention.id,
                name=mention.candidates[0].name if mention.candidates else None,
                also=mention.ids[1:],
                score=round(mention.score, 4),
                negated=mention.context.negated,
                certainty=mention.context.certainty,
                family=mention.context.family,
                historical=mention.context.historical,
                reason=mention.candidates[0].reason if mention.candidates else mention.found_by,
            )
            for mention in findings.mentions
        ]
        claims = []
        for claim in findings.claims:
            first, *more = (ExtractedRange(start, end) for start, end in claim.evidence)
            claims.append(
                ExtractedClaim(
                    subject=claim.subject,
                    predicate=claim.predicate,
                    object=claim.object,
                    value=claim.value,
                    evidence=first,
                    more_evidence=tuple(more),
                    score=round(claim.score, 4),
                    negated=claim.negated,
                    certainty=claim.certainty,
                    method=claim.method,
                    qualifiers=claim.qualifiers,
                )
            )
        return cls(id=text_id, mentions=tuple(mentions), claims=tuple(claims))

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``medkg extract``."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return {"_id": fields.pop("id"), **fields}
