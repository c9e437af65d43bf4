"""Elements that FHIR resources are made of: texts, codes, identifiers and references that FHIR allows."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from Medical_KG_rev.graph.exports.curies import fhir_system, split

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:medkg:fhir")
_LEGAL_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\U0010ffff]")

encode = msgspec.json.Encoder(order="deterministic").encode


def resource_id(text: str) -> str:
    """A legal FHIR id: the text itself with `.` for `:` where that is one and cannot be another's, else a UUID of it.

    >>> resource_id("MESH:D008687")
    'MESH.D008687'
    """
    parts = text.split(":")
    legal = all(_LEGAL_ID.fullmatch(part) for part in parts) and len(text) <= 64
    return ".".join(parts) if legal else str(uuid.uuid5(_NAMESPACE, text))


def full_url(kind: str, identity: str) -> str:
    """`urn:uuid:…` of the resource of that kind and id."""
    return f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{kind}/{identity}')}"


def reference(kind: str, subject: str) -> dict[str, Any]:
    """To the resource of a document."""
    return {"reference": full_url(kind, resource_id(subject)), "type": kind}


def identifier(curie: str) -> dict[str, Any]:
    """The code of a thing in its system."""
    system, code = fhir_system(curie)
    return {"system": system, "value": text(code), "type": {"text": split(curie)[0]}}


def concept(system: str, code: str, display: str) -> dict[str, Any]:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code, "display": display}]}


def text(value: Any) -> str | None:
    """A string that FHIR allows: no control characters, not empty; None for nothing. What is no string is JSON."""
    if value is None:
        return None
    words = value if isinstance(value, str) else encode(value).decode()
    return _ILLEGAL.sub("\ufffd", words).strip() or None


def notes(qualifiers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Qualifiers as Annotations, by name."""
    return [{"text": f"{text(name)}: {words}"} for name, value in sorted(qualifiers.items()) if (words := text(value))]


def filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without empty elements, which FHIR forbids."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {}, [{}])}
