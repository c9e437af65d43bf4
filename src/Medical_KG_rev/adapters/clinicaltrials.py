"""ClinicalTrials.gov, API version 2 (https://clinicaltrials.gov/data-api/api)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from Medical_KG_rev.adapters.formats import sniff
from Medical_KG_rev.adapters.http import SourceClient
from Medical_KG_rev.adapters.listing import RemotePage, check_request, checked_ids, list_ids, list_pages, unidentified
from Medical_KG_rev.errors import PayloadError
from Medical_KG_rev.models import AdapterRequest, ListedRecord, ListingPage, RawPayload

_NCT = re.compile(r"NCT\d{8}", re.ASCII)
MAX_PAGE = 1000


class _Studies(msgspec.Struct):
    studies: list[msgspec.Raw]
    token: str | None = msgspec.field(name="nextPageToken", default=None)
    total: int | None = msgspec.field(name="totalCount", default=None)


_STUDIES = msgspec.json.Decoder(_Studies)


class ClinicalTrialsAdapter:
    """Studies by NCT id, or by query in the registry's own search syntax. Pages carry whole studies."""

    name = "clinicaltrials"
    version = "2.0"

    def __init__(self, client: SourceClient, *, page_size: int = 100) -> None:
        self._client = client
        self._page_size = min(page_size, MAX_PAGE)

    def list_records(self, request: AdapterRequest, cursor: str | None = None) -> Iterator[ListingPage]:
        """Ids as given; or the studies that match. ``since`` compares the date of the last update that was posted.

        Raises:
            UsageError: no or a wrong id, query or date.
            RemoteError: while iterating.
        """
        check_request(request, self.name)
        if request.ids:
            ids = checked_ids(request.ids, _normal, self.name, "NCT04267848")
            return list_ids(ids, lambda nct: f"{self.name}:{nct}", cursor, request.limit)
        return list_pages(lambda token: self._search(request, token), cursor, request.limit, self.name)

    def fetch(self, request: AdapterRequest) -> list[RawPayload]:
        """The studies of ``request.ids``, up to ``page_size`` in one request.

        Raises:
            UsageError: a wrong id.
            RemoteError: a request failed for good.
        """
        ids = checked_ids(request.ids, _normal, self.name, "NCT04267848")
        found: dict[str, RawPayload] = {}
        for start in range(0, len(ids), self._page_size):
            wanted = ids[start : start + self._page_size]
            page = self._page({"filter.ids": ",".join(wanted), "pageSize": str(len(wanted))})
            found |= {
                record.source_id: record.payload for record in page.records if record.payload and record.source_id in wanted
            }
        return list(found.values())

    def close(self) -> None:
        self._client.close()

    def _search(self, request: AdapterRequest, token: str) -> RemotePage:
        size = self._page_size if request.limit is None else min(self._page_size, max(1, request.limit))
        params = {"pageSize": str(size)}
        if request.query is not None:
            params["query.term"] = request.query
        if request.since is not None:
            params["filter.advanced"] = f"AREA[LastUpdatePostDate]RANGE[{request.since},MAX]"
        if request.limit is None:
            # Oldest change first: a study that changes while the listing runs moves to its end instead of slipping past it.
            # With a limit, the registry's own order (relevance) chooses which ones.
            params["sort"] = "LastUpdatePostDate:asc"
        if token:
            params["pageToken"] = token
        else:
            params["countTotal"] = "true"
        return self._page(params)

    def _page(self, params: dict[str, str]) -> RemotePage:
        answer = self._client.get_json("/studies", {"format": "json", **params}, _STUDIES)
        return RemotePage(tuple(map(self._record, answer.studies)), answer.token, answer.total)

    def _record(self, raw: msgspec.Raw) -> ListedRecord:
        content = bytes(raw)
        try:
            sniffed = sniff(content, f"a study of {self.name}")
        except PayloadError as error:
            return unidentified(content, error)
        doc_id = sniffed.doc_id or ""
        nct = doc_id.rpartition(":")[2]
        payload = RawPayload(
            source=self.name,
            source_id=nct,
            format=sniffed.format,
            content=content,
            uri=f"https://clinicaltrials.gov/study/{nct}",
            adapter_version=self.version,
            retrieved_at=self._client.now(),
        )
        return ListedRecord(source_id=nct, doc_id=doc_id, payload=payload)


def _normal(given: str) -> str | None:
    spelt = given.upper()
    return spelt if _NCT.fullmatch(spelt) else None
