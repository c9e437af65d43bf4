"""Open-access full texts of PubMed Central, from Europe PMC (https://europepmc.org/RestfulWebService)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from Medical_KG_rev.adapters.answers import reason
from Medical_KG_rev.adapters.formats import sniff
from Medical_KG_rev.adapters.http import SourceClient
from Medical_KG_rev.adapters.listing import RemotePage, check_request, checked_ids, each_alone, list_ids, list_pages
from Medical_KG_rev.adapters.pmc_pdf import pdf_payloads
from Medical_KG_rev.errors import (
    PayloadError,
    RecordNotFoundError,
    UnexpectedContentError,
    UnsupportedFormatError,
)
from Medical_KG_rev.models import AdapterRequest, ErrorInfo, ListedRecord, ListingPage, RawPayload

_PMCID = re.compile(r"PMC[0-9]{1,12}")
_REFUSAL = re.compile(rb"<(?:errorBean|OA)\b")
EXAMPLE = "PMC1131903"
MAX_PAGE = 1000
HAS_FULL_TEXT = "OPEN_ACCESS:Y AND IN_EPMC:Y AND NOT SRC:PPR"
"""What can be fetched: open-access articles whose full text Europe PMC holds; preprints have no PMCID."""


class _Result(msgspec.Struct):
    id: str = "?"
    source: str = "?"
    pmcid: str | None = None


class _ResultList(msgspec.Struct):
    result: list[_Result] = []


class _Search(msgspec.Struct):
    results: _ResultList = msgspec.field(name="resultList")
    total: int | None = msgspec.field(name="hitCount", default=None)
    token: str | None = msgspec.field(name="nextCursorMark", default=None)


_SEARCH = msgspec.json.Decoder(_Search)


class PmcFulltextAdapter:
    """Articles by PMCID, or by query in Europe PMC's own syntax. Pages carry ids only; ``fetch`` brings the full texts.

    ``since`` compares the date on which Europe PMC last updated its record.
    """

    name = "pmc-fulltext"
    version = "1.0"

    def __init__(self, client: SourceClient, *, page_size: int = 100) -> None:
        self._client = client
        self._page_size = min(page_size, MAX_PAGE)

    def list_records(self, request: AdapterRequest, cursor: str | None = None) -> Iterator[ListingPage]:
        """Ids as given; or those of the open-access articles that match.

        Raises:
            UsageError: no or a wrong id, query or date.
            RemoteError: while iterating.
        """
        check_request(request, self.name)
        if request.ids:
            ids = checked_ids(request.ids, _normal, self.name, EXAMPLE)
            return list_ids(ids, lambda pmcid: f"{self.name}:{pmcid}", cursor, request.limit)
        return list_pages(lambda token: self._search(request, token), cursor, request.limit, self.name)

    def fetch(self, request: AdapterRequest) -> list[RawPayload]:
        """The full texts of ``request.ids``, one request each: the API has no other way. One that is not open is absent.

        Where ``request.rendition`` is ``pdf``, what is known of the articles' PDFs instead, many in one request.

        Raises:
            UsageError: a wrong id.
            RemoteError: a request failed for good; RetriesExhaustedError names the article (``source_id``).
        """
        ids = checked_ids(request.ids, _normal, self.name, EXAMPLE)
        if request.rendition == "pdf":
            return list(pdf_payloads(self._client, ids, self.name, self.version))
        return list(each_alone(ids, self._article))

    def close(self) -> None:
        self._client.close()

    def _article(self, pmcid: str) -> Iterator[RawPayload]:
        try:
            content = self._client.get(f"/{pmcid}/fullTextXML", expect="xml")
            self._check(pmcid, content)
        except RecordNotFoundError:
            return
        yield RawPayload(
            source=self.name,
            source_id=pmcid,
            format="jats-xml",
            content=content,
            uri=f"https://europepmc.org/article/PMC/{pmcid}",
            adapter_version=self.version,
            retrieved_at=self._client.now(),
        )

    def _check(self, pmcid: str, content: bytes) -> None:
        """Lets only an article pass; what is wrong inside it is for its parser to say, on its own document.

        Raises:
            RecordNotFoundError: a refusal in XML, which may come with status 200.
            UnexpectedContentError: another format, or another article.
        """
        if _REFUSAL.search(content[:1000]):
            raise RecordNotFoundError(f"{self.name}: {pmcid} has no open full text: {reason(content)}", source=self.name)
        try:
            doc_id = sniff(content, pmcid).doc_id or ""
        except UnsupportedFormatError as error:
            raise UnexpectedContentError(f"{self.name}: {error}", source=self.name, body=reason(content)) from error
        except PayloadError:
            return
        if doc_id.startswith(f"{self.name}:") and doc_id != f"{self.name}:{pmcid}":
            raise UnexpectedContentError(f"{self.name}: asked for {pmcid}, got {doc_id}.", source=self.name)

    def _search(self, request: AdapterRequest, token: str) -> RemotePage:
        size = self._page_size if request.limit is None else min(self._page_size, max(1, request.limit))
        clauses = [f"({request.query})"] if request.query is not None else []
        if request.since is not None:
            clauses.append(f"UPDATE_DATE:[{request.since} TO 3000-12-31]")
        mark = token or "*"
        params = {
            "query": " AND ".join([*clauses, HAS_FULL_TEXT]),
            "format": "json",
            "resultType": "lite",
            "pageSize": str(size),
            "cursorMark": mark,
        }
        answer = self._client.get_json("/search", params, _SEARCH)
        following = None if answer.token == mark else answer.token  # the same mark again is how this API ends a listing
        return RemotePage(tuple(map(self._record, answer.results.result)), following, answer.total)

    def _record(self, result: _Result) -> ListedRecord:
        pmcid = _normal(result.pmcid or "")
        if pmcid is None:
            name = f"{result.source}:{result.id}"
            return ListedRecord(source_id=name, error=ErrorInfo("identifier_missing", f"Europe PMC gives no PMCID for {name}."))
        return ListedRecord(source_id=pmcid, doc_id=f"{self.name}:{pmcid}")


def _normal(given: str) -> str | None:
    spelt = given.upper()
    return spelt if _PMCID.fullmatch(spelt) else None
