"""Real OpenAlex works of both schema generations."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from Medical_KG_rev.errors import MalformedPayloadError, UnsupportedFormatError
from Medical_KG_rev.models import Document, RawPayload
from Medical_KG_rev.parsing import openalex

pytestmark = pytest.mark.component

PARSED_AT = datetime(2026, 1, 2, tzinfo=UTC)
WORD = re.compile(r"[^\W\d_]{4,}")


def read(path: Path) -> Document:
    payload = RawPayload(source="openalex", source_id=path.name, format="openalex-json", content=path.read_bytes())
    return openalex.parse(payload, parsed_at=PARSED_AT)


def test_every_work_is_read_whole(test_data: Path) -> None:
    files = sorted((test_data / "openalex" / "works").glob("*.json"))
    assert len(files) == 203
    for path in files:
        record, document = json.loads(path.read_bytes()), read(path)
        index = record["abstract_inverted_index"] or {}
        told = Counter(word for token, places in index.items() for word in WORD.findall(html.unescape(token)) * len(places))
        missing = told - Counter(WORD.findall(document.text))
        assert missing.total() <= 0.001 * told.total(), (path.name, missing)
        kinds = Counter(annotation.kind for annotation in document.annotations)
        assert kinds["author"] == len(record["authorships"])
        assert kinds["cited_work"] == len(set(record["referenced_works"]))
        assert kinds["mesh"] == len(record["mesh"])
        assert kinds["keyword"] == len(record["keywords"])
        assert document.doc_id == f"openalex:{path.stem}"


def test_work_of_the_older_schema(test_data: Path) -> None:
    document = read(test_data / "openalex" / "pages" / "single_W2741809807_2025.json")
    assert document.doc_id == "openalex:W2741809807"
    assert document.metadata["identifiers"]["pmcid"] == "PMC5815332"


@pytest.mark.parametrize("name", ["works_page1_cursor", "works_page2_empty"])
def test_page_is_refused(test_data: Path, name: str) -> None:
    with pytest.raises(UnsupportedFormatError, match="page of works"):
        read(test_data / "openalex" / "pages" / f"{name}.json")


def test_error_body_that_is_html_is_refused(test_data: Path) -> None:
    recorded = (test_data / "api" / "openalex_404_html.json").read_text()
    body = html.unescape(re.search(r"<!?[a-z].*", recorded, re.IGNORECASE | re.DOTALL).group())  # type: ignore[union-attr]
    payload = RawPayload(source="openalex", source_id="W0", format="openalex-json", content=body.encode())
    with pytest.raises(MalformedPayloadError):
        openalex.parse(payload, parsed_at=PARSED_AT)
