"""Entities, mentions, claims and the evidence that every claim carries."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from Medical_KG_rev.models.text import BoundingBox


class EntityType(StrEnum):
    """Biomedical concepts first, then what records name besides them."""

    DISEASE = "disease"
    CHEMICAL = "chemical"
    GENE = "gene"
    VARIANT = "variant"
    SPECIES = "species"
    CELL_LINE = "cell_line"
    PHENOTYPE = "phenotype"
    ANATOMY = "anatomy"
    PROCEDURE = "procedure"
    STUDY = "study"
    PUBLICATION = "publication"
    TEXT = "text"
    PERSON = "person"
    ORGANIZATION = "organization"
    CONCEPT = "concept"
    INTERVENTION = "intervention"
    STUDY_ARM = "study_arm"
    OUTCOME = "outcome"


class Certainty(StrEnum):
    """How sure a text is of what it says."""

    STATED = "stated"
    UNCERTAIN = "uncertain"
    """Possible, suspected, may."""
    HYPOTHETICAL = "hypothetical"
    """Asked, planned or supposed: "to investigate whether", "if"."""


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """An entity named in a document: ``document.text[start:end] == text``.

    The text may deny it (``negated``), tell it of a relative of the patient (``family``) or of the past (``historical``).
    """

    doc_id: str
    start: int
    end: int
    text: str
    score: float = 1.0
    negated: bool = False
    certainty: Certainty = Certainty.STATED
    family: bool = False
    historical: bool = False


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """A grounded thing. ``id`` is a CURIE in canonical spelling (``MESH:D008687``, ``ORCID:…``, ``clinicaltrials:NCT…``)."""

    id: str
    type: EntityType
    name: str
    aliases: tuple[str, ...] = ()
    xrefs: tuple[str, ...] = ()
    mentions: tuple[Mention, ...] = ()
    attributes: Mapping[str, Any] = {}


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Where a document says so: ``document.text[start:end] == text``."""

    doc_id: str
    start: int
    end: int
    text: str
    section: str = ""
    page: int | None = None
    bbox: BoundingBox | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Subject, Biolink predicate, and an object: an entity, or a ``value`` (a number or text with its unit in ``qualifiers``).

    ``method`` says who claims it: ``record`` for what a record states in structured form. A ``negated`` claim says that the
    relation does not hold.
    """

    id: str
    doc_id: str
    subject_id: str
    predicate: str
    object_id: str | None
    evidence: tuple[Evidence, ...]
    value: str | None = None
    qualifiers: Mapping[str, Any] = {}
    score: float = 1.0
    negated: bool = False
    certainty: Certainty = Certainty.STATED
    method: str = "record"
