"""The conformance kit of sources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

import msgspec

from Medical_KG_rev.models import Adapter, AdapterRequest, ListedRecord, ListingPage, RawPayload
from Medical_KG_rev.testing.expect import expect

MAX_PAGES = 1000


def check_adapter(adapter: Adapter, request: AdapterRequest, *, unknown_id: str | None = None) -> list[ListedRecord]:
    """Holds an adapter against its contract on a listing that it can serve.

    Args:
        adapter: the source, on a remote (or a stand-in of the true shape) or on files.
        request: a listing of at least one record and at most some hundreds, by query, ids or paths.
        unknown_id: an id that the source does not know; it must be absent from what is fetched.

    Returns:
        All records listed, for checks of your own.

    Raises:
        ConformanceError: a promise is broken; says which.
    """
    expect(re.fullmatch(r"[a-z][a-z0-9-]*", adapter.name), f"the name {adapter.name!r} is not a dataset name")
    expect(isinstance(adapter.version, str) and adapter.version, "an adapter needs a version")
    pages = _pages(adapter, request)
    records = [record for page in pages for record in page.records]
    expect(records, "the listing is empty; give a request that finds something")
    _check_records(records)
    _check_resuming(adapter, request, pages)
    _check_limit(adapter, request, records)
    _check_fetching(adapter, request, records, unknown_id)
    return records


def _pages(adapter: Adapter, request: AdapterRequest, cursor: str | None = None) -> list[ListingPage]:
    pages = list(islice(adapter.list_records(request, cursor), MAX_PAGES + 1))
    expect(len(pages) <= MAX_PAGES, f"the listing has more than {MAX_PAGES} pages")
    expect(all(isinstance(page, ListingPage) for page in pages), "list_records must give ListingPage objects")
    expect(not pages or pages[-1].next_cursor is None, "the last page must have no next_cursor")
    expect(all(page.next_cursor for page in pages[:-1]), "every page but the last needs a next_cursor")
    return pages


def _check_records(records: Sequence[ListedRecord]) -> None:
    for record in records:
        expect(record.source_id, "a record has no source_id")
        expect(record.payload is None or record.error is None, f"{record.source_id} has both a payload and an error")
        if record.payload is not None:
            _check_payload(record.payload)
            expect(record.payload.source_id, f"the payload of {record.source_id} has no source_id")
        if record.doc_id is not None:
            expect(re.fullmatch(r"[\w.-]+:[\w:.-]+", record.doc_id), f"{record.doc_id!r} is not a document id")


def _check_payload(payload: RawPayload) -> None:
    expect(isinstance(payload, RawPayload), f"a payload must be a RawPayload, not {type(payload).__name__}")
    expect(payload.format and payload.source, f"the payload of {payload.source_id} must name its source and format")
    expect(payload.content, f"the payload of {payload.source_id} is empty")


def _check_resuming(adapter: Adapter, request: AdapterRequest, pages: Sequence[ListingPage]) -> None:
    """From each cursor on, exactly the records come that had not come yet."""
    for number, page in enumerate(pages):
        if page.next_cursor is None:
            continue
        rest = _ids(_pages(adapter, request, page.next_cursor))
        expect(rest == _ids(pages[number + 1 :]), f"resumed after page {number + 1} the listing goes on differently")
    expect(_ids(_pages(adapter, request)) == _ids(pages), "listed again, other records come")


def _check_limit(adapter: Adapter, request: AdapterRequest, records: Sequence[ListedRecord]) -> None:
    limited = _ids(_pages(adapter, msgspec.structs.replace(request, limit=1)))
    expect(limited == [records[0].source_id], f"limit=1 gave {len(limited)} records")


def _check_fetching(adapter: Adapter, request: AdapterRequest, records: Sequence[ListedRecord], unknown_id: str | None) -> None:
    readable = [record for record in records if record.error is None][:10]
    unknown = (unknown_id,) if unknown_id is not None else ()
    ids = (*(record.source_id for record in readable), *unknown)
    fetched = adapter.fetch(msgspec.structs.replace(request, ids=ids, query=None, limit=None))
    expect(isinstance(fetched, list), "fetch must give a list")
    found = {payload.source_id: payload for payload in fetched}
    expect(len(found) == len(fetched), "a record was fetched twice")
    for payload in fetched:
        _check_payload(payload)
    for record in readable:
        source_id = record.payload.source_id if record.payload is not None else record.source_id
        expect(source_id in found, f"{source_id} was listed and cannot be fetched")
        if record.payload is not None:
            expect(found[source_id].digest() == record.payload.digest(), f"{source_id}: listed and fetched contents differ")
    if unknown_id is not None:
        expect(unknown_id not in found, f"{unknown_id} is unknown and was fetched")


def _ids(pages: Sequence[ListingPage]) -> list[str]:
    return [record.source_id for page in pages for record in page.records]
