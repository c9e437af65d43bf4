"""The parse stage: dispatch by format, provenance, and identifiers."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from Medical_KG_rev.errors import MissingIdentifierError, StageContractError, UnsupportedFormatError
from Medical_KG_rev.models import Document, RawPayload, StageContext
from Medical_KG_rev.orchestration.stages.contracts import IrValidationStage, ParseStage
from Medical_KG_rev.parsing import FORMATS, IrParser, IrValidator, jats

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CONTEXT = StageContext(tenant_id="t")
WORK = {"id": "https://openalex.org/W2741809807", "title": "An invented work", "publication_year": 2020}
WITHOUT_ID = {
    "ctgov-json": json.dumps({"protocolSection": {"identificationModule": {"briefTitle": "An invented study"}}}),
    "openalex-json": json.dumps({"title": "An invented work", "authorships": []}),
    "jats-xml": "<article><front><article-meta/></front><body><p>x</p></body></article>",
    "record-json": json.dumps({"title": "T", "text": "x"}),
}


def _payload(format: str, content: str | bytes, source_id: str = "record-7") -> RawPayload:
    body = content.encode() if isinstance(content, str) else content
    return RawPayload(source="local", source_id=source_id, format=format, content=body, adapter_version="local-3")


@pytest.fixture
def parser() -> IrParser:
    return IrParser(lambda: NOW)


def test_i3_an_openalex_work_becomes_a_document_with_its_provenance(parser: IrParser) -> None:
    document = parser.execute(CONTEXT, [_payload("openalex-json", json.dumps(WORK))])
    assert document.doc_id == "openalex:W2741809807"
    assert document.adapter_version == "local-3"
    assert document.parser_version.startswith("openalex-")
    assert document.parsed_at == NOW


@pytest.mark.parametrize("format", WITHOUT_ID)
def test_i4_a_payload_without_id_is_refused(parser: IrParser, format: str) -> None:
    with pytest.raises(MissingIdentifierError, match="record-7") as caught:
        parser.execute(CONTEXT, [_payload(format, WITHOUT_ID[format])])
    assert caught.value.source_id == "record-7"


def test_every_format_has_its_parser(parser: IrParser, sample_xml: bytes) -> None:
    study = {"protocolSection": {"identificationModule": {"nctId": "NCT00000000", "briefTitle": "An invented study"}}}
    contents: dict[str, str | bytes] = {
        "ctgov-json": json.dumps(study),
        "jats-xml": sample_xml,
        "openalex-json": json.dumps(WORK),
        "record-json": json.dumps({"_id": "1", "title": "T", "text": "x"}),
        "text": "Title\n\nText.",
    }
    assert set(contents) == set(FORMATS)
    for name, content in contents.items():
        document = IrValidator().execute(CONTEXT, parser.execute(CONTEXT, [_payload(name, content)]))
        assert isinstance(document, Document)
        assert (document.adapter_version, document.parsed_at) == ("local-3", NOW)


def test_parsing_twice_gives_the_same_digest(sample_xml: bytes) -> None:
    payload = _payload("jats-xml", sample_xml)
    first = IrParser(lambda: NOW).execute(CONTEXT, [payload])
    second = IrParser(lambda: datetime(2027, 1, 1, tzinfo=UTC)).execute(CONTEXT, [payload])
    assert first.digest() == second.digest()


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_payload_makes_a_document(parser: IrParser, count: int) -> None:
    with pytest.raises(StageContractError, match=f"exactly one payload.* has {count}"):
        parser.execute(CONTEXT, [_payload("text", "x y")] * count)


def test_an_unknown_format_lists_the_valid_ones(parser: IrParser) -> None:
    with pytest.raises(UnsupportedFormatError, match="record-7 has the format 'pdf'") as caught:
        parser.execute(CONTEXT, [_payload("pdf", "x")])
    assert all(name in str(caught.value) for name in FORMATS)
    assert caught.value.source_id == "record-7"


def test_the_fingerprint_changes_with_any_parsers_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = IrParser(lambda: NOW).fingerprint
    assert before == IrParser(lambda: NOW).fingerprint
    monkeypatch.setattr(jats, "VERSION", "jats-next")
    assert IrParser(lambda: NOW).fingerprint == before.replace("jats-1", "jats-next") != before


def test_the_stages_have_the_shape_of_their_contracts(parser: IrParser) -> None:
    assert isinstance(parser, ParseStage)
    assert isinstance(IrValidator(), IrValidationStage)


def test_importing_the_room_loads_no_xml_library() -> None:
    check = "import sys, Medical_KG_rev.parsing as p; p.IrParser, p.IrValidator; sys.exit('lxml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
