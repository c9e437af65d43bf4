"""How lexicons lie in OpenSearch: names, mapping and settings, and whether what is found there has them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.index.analysis import ANALYSER
from Medical_KG_rev.index.naming import tenant_name

Body = dict[str, Any]

SCHEMA = 1
"""Goes up with every change of mapping or settings that old indexes cannot follow; part of every name."""
FIRST = "-000001"
"""Ends the name of the index behind an alias, so that it can be replaced behind it."""
_SHARED = "shared"


@dataclass(frozen=True)
class Layout:
    """Where the lexicons of a tenant lie.

    Attributes:
        prefix: begins every name.
        is_shared: the tenant's rows lie among those of others, told apart by ``tenant`` and ``lexicon``; otherwise each lexicon
            has an index of its own.
        sparse: fingerprint of the model whose weights the rows carry; empty where they carry none.
        shards, replicas: of an index that is made.
    """

    tenant_id: str
    prefix: str = "medkg"
    is_shared: bool = False
    sparse: str = ""
    shards: int = 1
    replicas: int = 0

    def alias(self, lexicon: str) -> str:
        """``<prefix>-v<schema>-<tenant>-<lexicon>``, or ``<prefix>-v<schema>-shared-<digest of the fingerprints>``."""
        if not self.is_shared:
            return f"{self._base}-{lexicon}"
        return f"{self._base}-{hashlib.sha256(f'{ANALYSER} {self.sparse}'.encode()).hexdigest()[:8]}"

    @property
    def aliases(self) -> str:
        """The pattern of all of them."""
        return f"{self._base}-*"

    @property
    def _base(self) -> str:
        return f"{self.prefix}-v{SCHEMA}-{_SHARED if self.is_shared else tenant_name(self.tenant_id)}"

    def creation(self, alias: str) -> Body:
        """The body of the request that makes the index behind an alias."""
        return {
            "aliases": {alias: {"is_write_index": True}},
            "settings": {"index": self.settings | {"number_of_shards": self.shards, "number_of_replicas": self.replicas}},
            "mappings": self.mappings,
        }

    @property
    def settings(self) -> Body:
        """BM25 as tantivy has it, and no refresh but at a commit."""
        return {"refresh_interval": "-1", "similarity": {"default": {"type": "BM25", "k1": "1.2", "b": "0.75"}}}

    @property
    def mappings(self) -> Body:
        return {
            "dynamic": "strict",
            "_meta": {"schema": SCHEMA, "analyser": ANALYSER, "sparse": self.sparse},
            "_routing": {"required": True},
            "_source": {"excludes": ["tokens", "sparse"]},
            "properties": {
                "tenant": {"type": "keyword"},
                "lexicon": {"type": "keyword"},
                "vid": {"type": "long"},
                "generation": {"type": "long"},
                "tokens": {"type": "text", "analyzer": "whitespace", "index_options": "freqs"},
                "facets": {"type": "keyword"},
                "day": {"type": "integer"},
                "sparse": {"type": "rank_features"},
            },
        }

    def check(self, alias: str, found: Mapping[str, Body]) -> None:
        """Holds what lies behind an alias against what this version makes.

        Args:
            alias: its name.
            found: the answer to ``GET <alias>``, by index.

        Raises:
            IndexMismatchError: it was made by another version, with another model, or by hand.
        """
        for name, index in found.items():
            settings, mappings = index["settings"]["index"], index["mappings"]
            difference = next(_differences(self.mappings, mappings), None) or next(_differences(self.settings, settings), None)
            if difference is None and name == alias:
                difference = ("aliases", alias, "no alias")
            if difference is not None:
                where, expected, actual = difference
                raise IndexMismatchError(
                    f"The OpenSearch index {name} has {where} {actual!r}; this version and these models make {expected!r}.",
                    remedy=f"Build it anew from the catalogue: `medkg index repair`. If {name} is not of this system, "
                    "rename it or set MK_OPENSEARCH__PREFIX.",
                    expected=expected,
                    found=actual,
                    index=name,
                )


def _differences(expected: Any, found: Any, path: str = "") -> Any:
    """Paths at which what was found lacks or contradicts what is expected, with both values. More than expected is no matter."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name, value in expected.items():
            yield from _differences(value, found.get(name), f"{path}.{name}".lstrip("."))
    elif expected != found:
        yield path, expected, found
