"""The conformance kit of sources: a small right source passes, each broken promise is found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from Medical_KG_rev.models import AdapterRequest, ListedRecord, ListingPage, RawPayload
from Medical_KG_rev.testing import ConformanceError, check_adapter

pytestmark = pytest.mark.unit

REQUEST = AdapterRequest(source="shelf", query="all")


class Shelf:
    """Five records, two a page; ``fault`` names the promise that it breaks."""

    name = "shelf"
    version = "1.0"
    names = ("a", "b", "c", "d", "e")

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def list_records(self, request: AdapterRequest, cursor: str | None = None) -> Iterator[ListingPage]:
        names = self.names[: request.limit] if self.fault != "ignores limit" else self.names
        start = int(cursor or 0) if self.fault != "ignores cursor" else 0
        while start < len(names):
            end = min(start + 2, len(names))
            last = end == len(names) and self.fault != "endless"
            records = tuple(ListedRecord(source_id=name, payload=self.payload(name)) for name in names[start:end])
            yield ListingPage(records=records, next_cursor=None if last else str(end))
            start = end

    def fetch(self, request: AdapterRequest) -> list[RawPayload]:
        known = [name for name in request.ids if name in self.names or self.fault == "invents"]
        if self.fault == "loses":
            known = known[1:]
        return [self.payload(name, "other" if self.fault == "differs" else "text") for name in known]

    def payload(self, name: str, content: str = "text") -> RawPayload:
        content = "" if self.fault == "empty" else content
        return RawPayload(source="shelf", source_id=name, format="text", content=content.encode())


def test_a_right_source_passes() -> None:
    records = check_adapter(Shelf(), REQUEST, unknown_id="z")
    assert [record.source_id for record in records] == list(Shelf.names)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("ignores limit", "limit=1"),
        ("ignores cursor", "resumed after page 1"),
        ("endless", "last page must have no next_cursor"),
        ("invents", "z is unknown and was fetched"),
        ("loses", "a was listed and cannot be fetched"),
        ("differs", "a: listed and fetched contents differ"),
        ("empty", "is empty"),
    ],
)
def test_each_broken_promise_is_found(fault: str, message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        check_adapter(Shelf(fault), REQUEST, unknown_id="z")


def test_names_and_empty_listings() -> None:
    unnamed = Shelf()
    unnamed.name = "My Shelf"
    with pytest.raises(ConformanceError, match="not a dataset name"):
        check_adapter(unnamed, REQUEST)
    bare = Shelf()
    bare.names = ()  # type: ignore[assignment]
    with pytest.raises(ConformanceError, match="listing is empty"):
        check_adapter(bare, REQUEST)
