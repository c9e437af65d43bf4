"""Open copies of articles by DOI, from Unpaywall (https://unpaywall.org/products/api)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import msgspec

from Medical_KG_rev.adapters.dois import doi_name, normal_doi
from Medical_KG_rev.adapters.http import SourceClient
from Medical_KG_rev.adapters.listing import RemotePage, check_request, checked_ids, each_alone, list_ids, list_pages
from Medical_KG_rev.adapters.open_copies import asset_payload, best_first, filled
from Medical_KG_rev.errors import ConfigurationError, RecordNotFoundError, UnexpectedContentError, UsageError
from Medical_KG_rev.models import AdapterRequest, ErrorInfo, ListedRecord, ListingPage, PdfAsset, PdfCandidates, RawPayload

EXAMPLE = "10.7717/peerj.4375"
SEARCH_PAGE = 50
"""What one page of Unpaywall's search holds."""


_PMC = re.compile(
    r"https?://(?:www\.)?(?:ncbi\.nlm\.nih\.gov/pmc|pmc\.ncbi\.nlm\.nih\.gov|europepmc\.org)/articles/(?:PMC)?([0-9]{1,12})/?"
)


class _Location(msgspec.Struct):
    url: str | None = None
    pdf: str | None = msgspec.field(name="url_for_pdf", default=None)
    licence: str | None = msgspec.field(name="license", default=None)
    version: str | None = None
    host: str | None = msgspec.field(name="host_type", default=None)


class _Article(msgspec.Struct):
    doi: str
    title: str | None = None
    is_oa: bool = False
    oa_status: str | None = None
    genre: str | None = None
    year: int | None = None
    published: str | None = msgspec.field(name="published_date", default=None)
    journal: str | None = msgspec.field(name="journal_name", default=None)
    publisher: str | None = None
    best: _Location | None = msgspec.field(name="best_oa_location", default=None)
    locations: list[_Location] = msgspec.field(name="oa_locations", default=[])


class _Hit(msgspec.Struct):
    response: _Article


class _Hits(msgspec.Struct):
    results: list[_Hit]


_ARTICLE = msgspec.json.Decoder(_Article)
_HITS = msgspec.json.Decoder(_Hits)


class UnpaywallAdapter:
    """Articles by DOI, or by words of their title. A payload names the open copies, the best first; a closed one says so."""

    name = "unpaywall"
    version = "1.0"

    def __init__(self, client: SourceClient, *, email: str) -> None:
        self._client = client
        self._email = email

    def list_records(self, request: AdapterRequest, cursor: str | None = None) -> Iterator[ListingPage]:
        """DOIs as given; or the open articles whose titles match.

        Raises:
            ConfigurationError: no e-mail address is given; Unpaywall answers to nobody without.
            UsageError: no or a wrong DOI or query, or a date.
            RemoteError: while iterating.
        """
        check_request(request, self.name)
        self._require_email()
        if request.since is not None:
            raise UsageError(f"{self.name} cannot be asked for what changed since a date.")
        if request.ids:
            ids = checked_ids(request.ids, normal_doi, self.name, EXAMPLE)
            return list_ids(ids, self._doc_id, cursor, request.limit)
        return list_pages(lambda token: self._search(request.query or "", token), cursor, request.limit, self.name)

    def fetch(self, request: AdapterRequest) -> list[RawPayload]:
        """What Unpaywall knows of ``request.ids``, one request each: the API has no other way. An unknown DOI is absent.

        Raises:
            ConfigurationError: as :meth:`list_records`.
            UsageError: a wrong DOI.
            RemoteError: a request failed for good; RetriesExhaustedError names the DOI (``source_id``).
        """
        self._require_email()
        ids = checked_ids(request.ids, normal_doi, self.name, EXAMPLE)
        return list(each_alone(ids, self._article))

    def close(self) -> None:
        self._client.close()

    def _require_email(self) -> None:
        if "@" not in self._email:
            raise ConfigurationError(
                "Unpaywall needs an e-mail address of yours.",
                remedy="Set MK_ADAPTERS__UNPAYWALL__EMAIL or MK_CONTACT_EMAIL.",
                source=self.name,
            )

    def _doc_id(self, doi: str) -> str:
        return f"{self.name}:{doi_name(doi)}"

    def _article(self, doi: str) -> Iterator[RawPayload]:
        try:
            article = self._client.get_json(f"/{quote(doi, safe='/')}", {"email": self._email}, _ARTICLE)
        except RecordNotFoundError:
            return
        if normal_doi(article.doi) != doi:
            told = f"{self.name}: asked for {doi}, got {article.doi[:200]}."
            raise UnexpectedContentError(told, source=self.name, source_id=doi)
        yield self._payload(doi, article)

    def _search(self, query: str, token: str) -> RemotePage:
        page = int(token) if token.isdecimal() else 1
        params = {"query": query, "is_oa": "true", "page": str(page), "email": self._email}
        found = self._client.get_json("/search", params, _HITS).results
        records = tuple(self._record(hit.response) for hit in found)
        return RemotePage(records, str(page + 1) if len(found) >= SEARCH_PAGE else None)

    def _record(self, article: _Article) -> ListedRecord:
        doi = normal_doi(article.doi)
        if doi is None:
            told = f"Unpaywall gives {article.doi[:80]!r} for a DOI."
            return ListedRecord(source_id=article.doi[:200] or "?", error=ErrorInfo("identifier_missing", told))
        return ListedRecord(source_id=doi, doc_id=self._doc_id(doi), payload=self._payload(doi, article))

    def _payload(self, doi: str, article: _Article) -> RawPayload:
        metadata = filled(
            {
                "doi": doi,
                "journal": article.journal,
                "publisher": article.publisher,
                "published": article.published,
                "year": article.year,
                "genre": article.genre,
                "oa_status": article.oa_status,
            }
        )
        candidates = PdfCandidates(
            assets=_assets(article), refusal=_refusal(article), title=article.title or "", metadata=metadata
        )
        return asset_payload(
            source=self.name,
            source_id=doi,
            candidates=candidates,
            uri=f"https://doi.org/{doi}",
            adapter_version=self.version,
            retrieved_at=self._client.now(),
        )


def _assets(article: _Article) -> tuple[PdfAsset, ...]:
    if not article.is_oa:
        return ()
    return best_first(
        PdfAsset(url=url, licence=place.licence or "", version=place.version or "", host=place.host or "")
        for place in [*([article.best] if article.best else []), *article.locations]
        if (url := place.pdf or _rendered(place.url or ""))
    )


def _rendered(page: str) -> str | None:
    """Where Europe PMC has the PDF of an article whose page in PubMed Central is all that Unpaywall knows."""
    match = _PMC.fullmatch(page)
    return f"https://europepmc.org/articles/PMC{match[1]}?pdf=render" if match else None


def _refusal(article: _Article) -> str:
    if not article.is_oa:
        return f"Unpaywall knows no open copy (status {article.oa_status or 'closed'})"
    return "" if _assets(article) else "it is open to read, but Unpaywall knows no PDF of it"
