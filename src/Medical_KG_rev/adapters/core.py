"""Works of open repositories, from CORE (https://api.core.ac.uk/docs/v3)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from Medical_KG_rev.adapters.dois import doi_name, normal_doi
from Medical_KG_rev.adapters.http import SourceClient
from Medical_KG_rev.adapters.listing import RemotePage, check_request, checked_ids, each_alone, list_ids, list_pages, unidentified
from Medical_KG_rev.adapters.open_copies import asset_payload, best_first, filled
from Medical_KG_rev.errors import MissingIdentifierError, RecordNotFoundError, UsageError
from Medical_KG_rev.models import AdapterRequest, ListedRecord, ListingPage, PdfAsset, PdfCandidates, RawPayload

EXAMPLE = "8848131 or 10.7717/peerj.4375"
MAX_PAGE = 100
MAX_RESULTS = 10_000
"""CORE gives no more of one search."""
_WORK = re.compile(r"(?:https?://(?:api\.)?core\.ac\.uk/(?:v3/)?works/)?([0-9]{1,15})")


class _Named(msgspec.Struct):
    name: str | None = None


class _Work(msgspec.Struct):
    id: int | str | None = None
    doi: str | None = None
    title: str | None = None
    download: str | None = msgspec.field(name="downloadUrl", default=None)
    elsewhere: list[str] | str | None = msgspec.field(name="sourceFulltextUrls", default=None)
    year: int | None = msgspec.field(name="yearPublished", default=None)
    publisher: str | None = None
    licence: str | None = msgspec.field(name="license", default=None)
    providers: list[_Named] | None = msgspec.field(name="dataProviders", default=None)


class _Hits(msgspec.Struct):
    results: list[_Work]
    total: int | None = msgspec.field(name="totalHits", default=None)


_ONE = msgspec.json.Decoder(_Work)
_HITS = msgspec.json.Decoder(_Hits)


class CoreAdapter:
    """Works by CORE's number or by DOI, or by query in CORE's own syntax. A payload names the copies that CORE knows.

    CORE harvests repositories, so that a copy is an author's or a publisher's; which, it does not say.
    """

    name = "core"
    version = "1.0"

    def __init__(self, client: SourceClient, *, page_size: int = 25) -> None:
        self._client = client
        self._page_size = min(page_size, MAX_PAGE)

    def list_records(self, request: AdapterRequest, cursor: str | None = None) -> Iterator[ListingPage]:
        """Ids as given; or the works with full text that match.

        Raises:
            UsageError: no or a wrong id or query, a date, or, while iterating, a query with more hits than CORE gives.
            RemoteError: while iterating.
        """
        check_request(request, self.name)
        if request.since is not None:
            raise UsageError(
                f"{self.name} cannot be asked for what changed since a date.", remedy="Use yearPublished in a query."
            )
        if request.ids:
            ids = checked_ids(request.ids, _normal, self.name, EXAMPLE)
            return list_ids(ids, self._doc_id, cursor, request.limit)
        return list_pages(lambda token: self._search(request, token), cursor, request.limit, self.name)

    def fetch(self, request: AdapterRequest) -> list[RawPayload]:
        """The works of ``request.ids``, one request each. One that CORE does not know is absent.

        Raises:
            UsageError: a wrong id.
            RemoteError: a request failed for good; RetriesExhaustedError names the id (``source_id``).
        """
        ids = checked_ids(request.ids, _normal, self.name, EXAMPLE)
        return list(each_alone(ids, self._one))

    def close(self) -> None:
        self._client.close()

    def _doc_id(self, name: str) -> str:
        return f"{self.name}:{doi_name(name) if '/' in name else name}"

    def _one(self, name: str) -> Iterator[RawPayload]:
        if "/" not in name:
            try:
                work = self._client.get_json(f"/works/{name}", {}, _ONE)
            except RecordNotFoundError:
                return
            yield self._payload(name, [work])
            return
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        hits = self._client.get_json("/search/works/", {"q": f'doi:"{quoted}"', "limit": "10"}, _HITS)
        works = [work for work in hits.results if work.doi and normal_doi(work.doi.strip()) == name]
        if works:  # CORE may know several works of one DOI
            yield self._payload(name, works)

    def _search(self, request: AdapterRequest, token: str) -> RemotePage:
        start = int(token) if token.isdecimal() else 0
        size = self._page_size if request.limit is None else min(self._page_size, max(1, request.limit))
        params = {"q": f"({request.query}) AND _exists_:fullText", "offset": str(start), "limit": str(size)}
        found = self._client.get_json("/search/works/", params, _HITS)
        total = found.total or 0
        if min(total, request.limit or total) > MAX_RESULTS:
            raise UsageError(
                f"CORE has {total} works for this query, and gives no more than {MAX_RESULTS} of one.",
                remedy="Ask for less, such as `… AND yearPublished:2024`, or give a --limit.",
            )
        end = start + len(found.results)
        return RemotePage(tuple(map(self._record, found.results)), str(end) if end < total else None, found.total)

    def _record(self, work: _Work) -> ListedRecord:
        name = _normal(str(work.id if work.id is not None else ""))
        if name is None or "/" in name:
            return unidentified(msgspec.json.encode(work), MissingIdentifierError("CORE gives a work without a number."))
        return ListedRecord(source_id=name, doc_id=self._doc_id(name), payload=self._payload(name, [work]))

    def _payload(self, name: str, works: list[_Work]) -> RawPayload:
        first = works[0]
        assets = best_first(
            PdfAsset(url=url, licence=work.licence or "", host="repository") for work in works for url in _urls(work)
        )
        metadata = filled(
            {
                "doi": normal_doi((first.doi or "").strip()),
                "core_id": str(first.id or ""),
                "publisher": first.publisher,
                "year": first.year,
                "repositories": [provider.name for provider in first.providers or [] if provider.name],
            }
        )
        candidates = PdfCandidates(
            assets=assets,
            refusal="" if assets else "CORE knows the work, but no file of it",
            title=first.title or "",
            metadata=metadata,
        )
        return asset_payload(
            source=self.name,
            source_id=name,
            candidates=candidates,
            uri=f"https://core.ac.uk/works/{first.id}",
            adapter_version=self.version,
            retrieved_at=self._client.now(),
        )


def _urls(work: _Work) -> Iterator[str]:
    elsewhere = [work.elsewhere] if isinstance(work.elsewhere, str) else work.elsewhere or []
    for url in [work.download or "", *elsewhere]:
        if url.startswith(("https://", "http://")):
            yield url


def _normal(given: str) -> str | None:
    match = _WORK.fullmatch(given)
    return match[1].lstrip("0") or None if match else normal_doi(given)
