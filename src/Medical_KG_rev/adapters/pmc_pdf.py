"""The PDF rendition of PubMed Central's open articles, as Europe PMC offers it.

Europe PMC's own record (``resultType=core``) names the files, their openness and the licence, for many articles in one answer.
PMC's OA service is not asked: it answers for one article at a time, with addresses on an FTP server, and has a PDF of a third
of its articles only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from Medical_KG_rev.adapters.http import SourceClient
from Medical_KG_rev.adapters.open_copies import asset_payload, best_first, filled
from Medical_KG_rev.models import PdfAsset, PdfCandidates, RawPayload

ARTICLES = 50
"""Asked for in one request: their names fit into an address."""
_HOSTS = {"Europe_PMC": "repository", "PubMedCentral": "repository"}


class _Url(msgspec.Struct):
    url: str = ""
    style: str = msgspec.field(name="documentStyle", default="")
    openness: str = msgspec.field(name="availabilityCode", default="")
    site: str = ""


class _Urls(msgspec.Struct):
    urls: list[_Url] = msgspec.field(name="fullTextUrl", default=[])


class _Article(msgspec.Struct):
    pmcid: str | None = None
    pmid: str | None = None
    doi: str | None = None
    title: str | None = None
    year: str | None = msgspec.field(name="pubYear", default=None)
    licence: str | None = msgspec.field(name="license", default=None)
    is_open: str = msgspec.field(name="isOpenAccess", default="N")
    files: _Urls = msgspec.field(name="fullTextUrlList", default_factory=_Urls)


class _ResultList(msgspec.Struct):
    result: list[_Article] = []


class _Found(msgspec.Struct):
    results: _ResultList = msgspec.field(name="resultList")


_FOUND = msgspec.json.Decoder(_Found)


def pdf_payloads(client: SourceClient, pmcids: Sequence[str], source: str, version: str) -> Iterator[RawPayload]:
    """Where the PDF of each article can be had; one that is not open says so, one that Europe PMC does not know is absent.

    Raises:
        RemoteError: a request failed for good.
    """
    for start in range(0, len(pmcids), ARTICLES):
        wanted = pmcids[start : start + ARTICLES]
        query = " OR ".join(f"PMCID:{pmcid}" for pmcid in wanted)
        params = {"query": f"({query})", "format": "json", "resultType": "core", "pageSize": str(2 * len(wanted))}
        found = {article.pmcid: article for article in client.get_json("/search", params, _FOUND).results.result}
        for pmcid in wanted:
            if pmcid in found:
                yield asset_payload(
                    source=source,
                    source_id=pmcid,
                    candidates=_candidates(pmcid, found[pmcid]),
                    uri=f"https://europepmc.org/article/PMC/{pmcid}",
                    adapter_version=version,
                    retrieved_at=client.now(),
                )


def _candidates(pmcid: str, article: _Article) -> PdfCandidates:
    assets = best_first(
        PdfAsset(
            url=file.url,
            licence=article.licence or "",
            host=_HOSTS.get(file.site, file.site),
        )
        for file in article.files.urls
        if file.style == "pdf" and file.openness == "OA" and file.url and article.is_open == "Y"
    )
    metadata = filled({"pmcid": pmcid, "pmid": article.pmid, "doi": article.doi, "year": article.year})
    return PdfCandidates(assets=assets, refusal=_refusal(article, assets), title=article.title or "", metadata=metadata)


def _refusal(article: _Article, assets: Sequence[PdfAsset]) -> str:
    if assets:
        return ""
    if article.is_open != "Y":
        free = any(file.openness in ("OA", "F") for file in article.files.urls)
        return "it is free to read, but not open access" if free else "Europe PMC says that it is not open access"
    return "it is open access, but Europe PMC has no PDF of it"
