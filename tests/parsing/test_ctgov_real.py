"""Real ClinicalTrials.gov studies: all are read, and no text of theirs is lost."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.errors import UnsupportedFormatError
from Medical_KG_rev.models import Document, RawPayload
from Medical_KG_rev.parsing import ctgov

pytestmark = pytest.mark.component

PARSED_AT = datetime(2026, 1, 2, tzinfo=UTC)
WORD = re.compile(r"[^\W\d_]{4,}")
LEFT_OUT = {
    "email": "personal",
    "phone": "personal",
    "phoneExt": "personal",
    "locations_nested": "a re-exporter's copy of locations",
    "relevance": "a grade of browse terms, HIGH or LOW",
    "abbrev": "code of a branch, whose name is there",
    "submissionTracking": "the registry's own bookkeeping",
}
SPELLED_OUT = {"INDIV": "individual"}


def read(path: Path) -> Document:
    payload = RawPayload(source="clinicaltrials", source_id=path.stem, format="ctgov-json", content=path.read_bytes())
    return ctgov.parse(payload, parsed_at=PARSED_AT)


def texts(value: Any) -> Iterator[str]:
    """Every text in a record; a role without a name says nothing."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in LEFT_OUT and not (key == "role" and not value.get("name")):
                yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield SPELLED_OUT.get(value, value)


def coverage(record: dict[str, Any], document: Document) -> float:
    """Share of the record's words of four letters and more, counted as a bag, that are in the text."""
    told = Counter(
        word
        for part in ("protocolSection", "resultsSection", "derivedSection")
        for text in texts(record.get(part, {}))
        for word in WORD.findall(text.replace("\\", "").lower())
    )
    return (told & Counter(WORD.findall(document.text.lower()))).total() / told.total()


def test_no_text_of_a_study_is_lost(test_data: Path) -> None:
    files = sorted((test_data / "ctgov" / "studies").glob("*.json"))
    assert len(files) == 346
    shares = {path.stem: coverage(json.loads(path.read_bytes()), read(path)) for path in files}
    assert min(shares.values()) == 1.0, min(shares.items(), key=lambda item: item[1])


def test_no_contact_address_is_kept(test_data: Path) -> None:
    """Unless the sponsor wrote it into a text."""
    for path in sorted((test_data / "ctgov" / "studies").glob("*.json"))[:80]:
        document = read(path)
        written = " ".join(texts(json.loads(path.read_bytes())))
        mails = {mail for mail in re.findall(r'"email": *"([^"]+)"', path.read_text()) if mail not in written}
        assert not [mail for mail in mails if mail in document.text]


def test_results_are_tables(test_data: Path) -> None:
    document = read(test_data / "ctgov" / "studies" / "NCT02552212.json")
    result = next(a for a in document.annotations if a.kind == "result" and a.attributes["group"] == "CZP 200 mg Q2W (FAS)")
    assert document.quote(result.start, result.end) == result.attributes["value"] == "47.2"
    assert result.attributes["unit"] == "percentage of subjects"


@pytest.mark.parametrize("name", ["NCT00023673", "NCT04780763"])
def test_v1_is_refused(test_data: Path, name: str) -> None:
    with pytest.raises(UnsupportedFormatError, match="v1"):
        read(test_data / "ctgov" / "v1" / f"{name}.json")


@pytest.mark.parametrize("name", ["page_studies", "search_phelan_limit5_20260811"])
def test_page_is_refused(test_data: Path, name: str) -> None:
    with pytest.raises(UnsupportedFormatError, match="page of studies"):
        read(test_data / "ctgov" / "pages" / f"{name}.json")


def test_study_cut_by_fields_is_read(test_data: Path) -> None:
    assert read(test_data / "ctgov" / "pages" / "get_nct02576665_20260811.json").doc_id == "clinicaltrials:NCT02576665"
