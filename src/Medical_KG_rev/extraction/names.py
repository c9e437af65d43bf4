"""Names and identifiers in canonical spelling."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from Medical_KG_rev.models import EntityType

_WORD = re.compile(r"[^\W_]+")
_ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")
_OPENALEX = re.compile(r"[ACFITW]\d{1,15}")
_MESH = re.compile(r"[CDQ]\d{6,9}")
_PMCID = re.compile(r"PMC\d{1,12}")
_PMID = re.compile(r"[0-9]{1,12}")
_DOI = re.compile(r"10\.\d{4,9}/\S{1,400}")
_ROR = re.compile(r"0[a-z0-9]{8}")


Meaning = Callable[[str, EntityType], tuple[str, str] | None]
"""What a name of a type means: its CURIE and canonical name; None when that is not known for sure."""


def short_hash(*parts: str) -> str:
    """12 hex digits of the sha256 of the parts."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:12]


def normal(name: str) -> str:
    """A name for comparison: case-folded, one space between words."""
    return " ".join(name.casefold().split())


def word_key(name: str) -> str:
    """The same for simple variants of a name: word order, punctuation and a plural s do not count.

    >>> word_key("Arthritis, Juvenile") == word_key("juvenile arthritis")
    True
    """
    return " ".join(sorted(_singular(word) for word in _WORD.findall(name.casefold())))


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def own_id(kind: EntityType, *parts: str) -> str:
    """The id of a thing that no vocabulary names: `MK:<type>:<12 hex>` of its normalised name."""
    return f"MK:{kind.value}:{short_hash(*map(normal, parts))}"


def _last(value: Any) -> str:
    """The identifier at the end of an address or CURIE."""
    return re.split(r"[/:]", value.strip())[-1] if isinstance(value, str) else ""


def orcid_id(value: Any) -> str | None:
    """`ORCID:0000-0002-1825-0097` from an ORCID or its address; None when it is none."""
    tail = _last(value).upper()
    return f"ORCID:{tail}" if _ORCID.fullmatch(tail) else None


def openalex_id(value: Any) -> str | None:
    """`openalex:W12` from an OpenAlex id or its address; keywords and the like have none."""
    tail = _last(value)
    return f"openalex:{tail}" if _OPENALEX.fullmatch(tail) else None


def mesh_curie(value: Any) -> str | None:
    """`MESH:D008687` from a MeSH id in any spelling."""
    tail = _last(value).upper()
    return f"MESH:{tail}" if _MESH.fullmatch(tail) else None


def ror_id(value: Any) -> str | None:
    """`ROR:0abcdef12` from a ROR id or its address."""
    tail = _last(value).lower()
    return f"ROR:{tail}" if _ROR.fullmatch(tail) else None


def pmid_id(value: Any) -> str | None:
    """`PMID:123` from a PubMed id, as text or number, or its address."""
    tail = _last(str(value)) if value else ""
    return f"PMID:{tail}" if _PMID.fullmatch(tail) else None


def pmcid_id(value: Any) -> str | None:
    """`pmc-fulltext:PMC12`: the id that the article's own document has."""
    tail = _last(value).upper()
    return f"pmc-fulltext:{tail}" if _PMCID.fullmatch(tail) else None


def doi_id(value: Any) -> str | None:
    """`DOI:10.…` in lower case, as DOIs are compared."""
    found = _DOI.search(value) if isinstance(value, str) else None
    return f"DOI:{found.group().lower()}" if found else None
