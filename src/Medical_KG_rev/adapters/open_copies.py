"""Which of an article's open copies is asked for first, and the payload that names them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from Medical_KG_rev.models import PdfAsset, PdfCandidates, RawPayload
from Medical_KG_rev.models.pdf import ASSET_FORMAT

_VERSIONS = ("publishedVersion", "acceptedVersion", "submittedVersion")
_HOSTS = ("publisher", "repository")
_LICENCES = ("cc0", "public-domain", "pd", "cc-by", "cc-by-sa", "cc-by-nd", "cc-by-nc", "cc-by-nc-sa", "cc-by-nc-nd")
"""From the freest on; a licence of another name comes after them, none at all last."""


def best_first(assets: Iterable[PdfAsset]) -> tuple[PdfAsset, ...]:
    """The copies, each URL once.

    The published version comes before the accepted, and that before the submitted one; of one version the publisher's copy before
    a repository's; then the freer licence; else they stay as the source lists them.
    """
    unique: dict[str, PdfAsset] = {}
    for asset in assets:
        unique.setdefault(asset.url, asset)
    return tuple(sorted(unique.values(), key=_rank))


def asset_payload(
    *,
    source: str,
    source_id: str,
    candidates: PdfCandidates,
    uri: str,
    adapter_version: str,
    retrieved_at: datetime,
) -> RawPayload:
    """What an adapter hands on where a record is a PDF. What the content says is the same whenever the source says the same."""
    return RawPayload(
        source=source,
        source_id=source_id,
        format=ASSET_FORMAT,
        content=msgspec.json.encode(candidates),
        uri=uri,
        adapter_version=adapter_version,
        retrieved_at=retrieved_at,
    )


def filled(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What a source says, without what it leaves empty."""
    return {name: value for name, value in metadata.items() if value not in (None, "", [], {})}


def _rank(asset: PdfAsset) -> tuple[int, int, int]:
    return _place(asset.version, _VERSIONS), _place(asset.host, _HOSTS), _freedom(asset)


def _place(value: str, order: tuple[str, ...]) -> int:
    return order.index(value) if value in order else len(order)


def _freedom(asset: PdfAsset) -> int:
    licence = asset.licence.lower().replace(" ", "-").replace("_", "-")
    return _place(licence, _LICENCES) if licence else len(_LICENCES) + 1
