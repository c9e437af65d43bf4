"""OpenAlex works (https://developers.openalex.org)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import msgspec

from Medical_KG_rev.adapters.dois import normal_doi
from Medical_KG_rev.adapters.formats import sniff
from Medical_KG_rev.adapters.http import SourceClient
from Medical_KG_rev.adapters.listing import RemotePage, check_request, checked_ids, list_ids, list_pages, unidentified
from Medical_KG_rev.errors import PayloadError, RecordNotFoundError, UnexpectedContentError
from Medical_KG_rev.models import AdapterRequest, ListedRecord, ListingPage, RawPayload

_WORK = re.compile(r"(?:https?://(?:api\.)?openalex\.org/(?:works/)?)?(W[0-9]{1,15})", re.IGNORECASE)
EXAMPLE = "W2741809807 or 10.7717/peerj.4375"
MAX_PAGE = 100
"""OpenAlex's bound on records per page and on values joined in one filter."""


class _Meta(msgspec.Struct):
    count: int | None = None
    next_cursor: str | None = None


class _Works(msgspec.Struct):
    results: list[msgspec.Raw]
    meta: _Meta


class _Doi(msgspec.Struct):
    doi: str | None = None


_WORKS = msgspec.json.Decoder(_Works)
_WORK_DOI = msgspec.json.Decoder(_Doi)


class OpenAlexAdapter:
    """Works by OpenAlex id or DOI, or by full-text ``search``. Pages carry whole works.

    ``since`` compares the publication date: the date of a record's last change can be asked for only by paying customers of
    OpenAlex, so a work that was merely corrected is not listed again.
    """

    name = "openalex"
    version = "1.0"

    def __init__(self, client: SourceClient, *, page_size: int = 50, contact_email: str = "") -> None:
        self._client = client
        self._page_size = min(page_size, MAX_PAGE)
        self._polite = {"mailto": contact_email} if contact_email else {}

    def list_records(self, request: AdapterRequest, cursor: str | None = None) -> Iterator[ListingPage]:
        """Ids as given (a DOI's work id is known only after it was fetched); or the works that match.

        Raises:
            UsageError: no or a wrong id, query or date.
            RemoteError: while iterating.
        """
        check_request(request, self.name)
        if request.ids:
            ids = checked_ids(request.ids, _normal, self.name, EXAMPLE)
            return list_ids(ids, lambda name: f"{self.name}:{name}" if name.startswith("W") else None, cursor, request.limit)
        return list_pages(lambda token: self._search(request, token), cursor, request.limit, self.name)

    def fetch(self, request: AdapterRequest) -> list[RawPayload]:
        """The works of ``request.ids``, many in one request. A payload's ``source_id`` is the id that was asked for.

        A single id is asked for alone, which costs nothing at OpenAlex.

        Raises:
            UsageError: a wrong id.
            RemoteError: a request failed for good.
        """
        ids = checked_ids(request.ids, _normal, self.name, EXAMPLE)
        works = [name for name in ids if name.startswith("W")]
        dois = [name for name in ids if not name.startswith("W") and not set(name) & set(",|")]
        alone = [name for name in ids if name not in works and name not in dois]  # `,` and `|` mean something in a filter
        return [
            *self._many("openalex", works),
            *self._many("doi", dois),
            *(payload for name in alone for payload in self._one(name)),
        ]

    def close(self) -> None:
        self._client.close()

    def _many(self, field: str, ids: Sequence[str]) -> Iterator[RawPayload]:
        for start in range(0, len(ids), self._page_size):
            wanted = ids[start : start + self._page_size]
            if len(wanted) == 1:
                yield from self._one(wanted[0])
                continue
            page = self._page({"filter": f"{field}:{'|'.join(wanted)}", "per-page": str(self._page_size)})
            for record in page.records:
                if record.payload is None:
                    continue
                name = record.source_id if field == "openalex" else _doi_of(record.payload.content)
                if name in wanted:
                    yield msgspec.structs.replace(record.payload, source_id=name)

    def _one(self, name: str) -> Iterator[RawPayload]:
        path = name if name.startswith("W") else f"doi:{quote(name, safe='')}"
        try:
            content = self._client.get(f"/works/{path}", self._polite)
        except RecordNotFoundError:
            return
        record = self._record(content)
        if record.payload is None:
            why = record.error.message if record.error else ""
            raise UnexpectedContentError(f"{self.name}: the answer for {name} is no work: {why}", source=self.name)
        yield msgspec.structs.replace(record.payload, source_id=name)

    def _search(self, request: AdapterRequest, token: str) -> RemotePage:
        size = self._page_size if request.limit is None else min(self._page_size, max(1, request.limit))
        params = {"per-page": str(size), "cursor": token or "*"}
        if request.query is not None:
            params["search"] = request.query
        if request.since is not None:
            params["filter"] = f"from_publication_date:{request.since}"
        return self._page(params)

    def _page(self, params: dict[str, str]) -> RemotePage:
        answer = self._client.get_json("/works", {**params, **self._polite}, _WORKS)
        return RemotePage(tuple(self._record(bytes(raw)) for raw in answer.results), answer.meta.next_cursor, answer.meta.count)

    def _record(self, content: bytes) -> ListedRecord:
        try:
            sniffed = sniff(content, f"a work of {self.name}")
        except PayloadError as error:
            return unidentified(content, error)
        doc_id = sniffed.doc_id or ""
        work = doc_id.rpartition(":")[2]
        payload = RawPayload(
            source=self.name,
            source_id=work,
            format=sniffed.format,
            content=content,
            uri=f"https://openalex.org/{work}",
            adapter_version=self.version,
            retrieved_at=self._client.now(),
        )
        return ListedRecord(source_id=work, doc_id=doc_id, payload=payload)


def _normal(given: str) -> str | None:
    if match := _WORK.fullmatch(given):
        return match[1].upper()
    return normal_doi(given)


def _doi_of(content: bytes) -> str:
    doi = _WORK_DOI.decode(content).doi
    return (_normal(doi) or "") if doi else ""
