"""What the remote sources' listings have in common: identifiers checked, pages counted, endless listings refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from Medical_KG_rev.adapters import cursors
from Medical_KG_rev.adapters.cursors import RemoteCursor
from Medical_KG_rev.errors import PayloadError, RetriesExhaustedError, UnexpectedContentError, UsageError
from Medical_KG_rev.models import AdapterRequest, ErrorInfo, ListedRecord, ListingPage, RawPayload

PAGE_RECORDS = 500
"""Records in a page of identifiers that were given."""


@dataclass(frozen=True, slots=True)
class RemotePage:
    """One answer of a listing: its records, the API's token of the next page (None: the last), and its total if it says one."""

    records: tuple[ListedRecord, ...]
    token: str | None = None
    total: int | None = None


def checked_ids(ids: Sequence[str], normal: Callable[[str], str | None], source: str, example: str) -> tuple[str, ...]:
    """The ids in the source's own spelling, each once, in order. Raises UsageError for one that cannot be an id."""
    found: dict[str, None] = {}
    for given in ids:
        spelt = normal(given.strip())
        if spelt is None:
            raise UsageError(f"{given!r} is not an id of {source}.", remedy=f"An id looks like {example}.", valid=[example])
        found[spelt] = None
    return tuple(found)


def each_alone(ids: Sequence[str], fetch: Callable[[str], Iterator[RawPayload]]) -> Iterator[RawPayload]:
    """What is fetched with a request for each id.

    Raises:
        RetriesExhaustedError: names the id (``source_id``): whoever asked for many is told which one it was.
    """
    for source_id in ids:
        try:
            yield from fetch(source_id)
        except RetriesExhaustedError as error:
            subject = {**error.subject, "source_id": source_id}
            raise RetriesExhaustedError(error.message, remedy=error.remedy, **subject) from error.__cause__


def unidentified(content: bytes, error: PayloadError) -> ListedRecord:
    """A record that came without a usable id; it goes by its content, so that two such are told apart."""
    name = f"unidentified-{hashlib.sha256(content).hexdigest()[:12]}"
    return ListedRecord(source_id=name, error=ErrorInfo(error.code, str(error)))


def check_request(request: AdapterRequest, source: str) -> None:
    """Raises UsageError unless the request asks either for ids, or by query or date."""
    if request.paths:
        raise UsageError(f"{source} takes ids or a query, not paths.", remedy="Use `local` for files.")
    if request.limit is not None and request.limit < 0:
        raise UsageError(f"`limit` must not be negative; got {request.limit}.")
    by_search = request.query is not None or request.since is not None
    if request.ids and by_search:
        raise UsageError(f"Ask {source} either for ids, or by query and date, not for both.")
    if not request.ids and not by_search:
        raise UsageError(f"{source} needs ids, a query or a date: without one it would list everything.")
    if request.query is not None and not request.query.strip():
        raise UsageError(f"The query for {source} is empty.")
    if request.since is not None:
        cursors.checked_date(request.since, source)


def list_ids(
    ids: Sequence[str], doc_id: Callable[[str], str | None], cursor: str | None, limit: int | None
) -> Iterator[ListingPage]:
    """Pages of ids that were given, without asking the source."""

    def read(token: str) -> RemotePage:
        start = int(token) if token.isdecimal() else 0
        end = start + PAGE_RECORDS
        records = tuple(ListedRecord(source_id=name, doc_id=doc_id(name)) for name in ids[start:end])
        return RemotePage(records, str(end) if end < len(ids) else None, len(ids))

    return list_pages(read, cursor, limit, "ids")


def list_pages(read: Callable[[str], RemotePage], cursor: str | None, limit: int | None, source: str) -> Iterator[ListingPage]:
    """Pages from ``cursor`` on; ``read`` gets the API's token, empty for the first page. An empty page is the end.

    Raises:
        UsageError: the cursor is none of this source.
        UnexpectedContentError: the source leads back to a page that was read already.
    """
    start = cursors.decode(RemoteCursor, cursor) if cursor is not None else RemoteCursor("")
    return _pages(read, start, limit, source)


def _pages(read: Callable[[str], RemotePage], start: RemoteCursor, limit: int | None, source: str) -> Iterator[ListingPage]:
    token, listed = start.token, start.listed
    seen: set[str] = set()
    if limit == 0:
        yield ListingPage(records=())
    while limit is None or listed < limit:
        if token in seen:
            raise UnexpectedContentError(f"{source}: the listing leads back to page {token[:80]!r}, which was read already.")
        seen.add(token)
        page = read(token)
        records = page.records if limit is None else page.records[: limit - listed]
        listed += len(records)
        goes_on = page.token is not None and bool(records) and (limit is None or listed < limit)
        cursor = cursors.encode(RemoteCursor(page.token or "", listed)) if goes_on else None
        yield ListingPage(records=records, next_cursor=cursor, total=page.total)
        if not goes_on:
            return
        token = page.token or ""
