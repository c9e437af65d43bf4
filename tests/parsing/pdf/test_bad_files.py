"""Every bad file is a right read or a named error, in bounded time and memory, and costs the files after it nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pypdfium2.version
import pytest
from hostile_pdfs import HOSTILE

from Medical_KG_rev.errors import (
    EmptyPayloadError,
    PayloadError,
    PdfLimitError,
    PdfNeedsOcrError,
    PdfPasswordError,
    PdfUnreadableError,
)
from Medical_KG_rev.models import Document, PdfAsset, StageContext, StoredPdf
from Medical_KG_rev.parsing.pdf.document import document_from_layout
from Medical_KG_rev.parsing.pdf.engines import local_engine
from Medical_KG_rev.parsing.pdf.isolation import IsolatedEngine
from Medical_KG_rev.parsing.pdf.limits import MEBIBYTE, PdfLimits
from Medical_KG_rev.parsing.validation import IrValidator
from Medical_KG_rev.testing.pdf import article, check_layout

pytestmark = pytest.mark.component

LIMITS = PdfLimits(max_seconds=20.0, max_memory_bytes=320 * MEBIBYTE)
MUCH = 15.0
"""Seconds, on a busy machine."""

Expected = tuple[type[PayloadError] | None, str]
"""The class of the error and what it says; or None, and a text that is read."""

GENERATED: dict[str, Expected] = {
    "no-bytes": (EmptyPayloadError, "has no bytes"),
    "login-page": (PdfUnreadableError, "no PDF: it is a web page, titled 'Sign in - Journal'"),
    "text": (PdfUnreadableError, "no PDF: it begins with b'Not found'"),
    "header-alone": (PdfUnreadableError, "cut off"),
    "cut-off": (PdfUnreadableError, "cut off"),
    "encrypted": (PdfPasswordError, "no password is known"),
    "looped-page-tree": (PdfUnreadableError, "page 2 is broken"),
    "deep-page-tree": (PdfUnreadableError, "page 1 is broken"),
    "deep-arrays": (EmptyPayloadError, "no text"),
    "looped-cross-reference": (None, "Metformin lowers glucose."),
    "looped-form": (PdfLimitError, "MK_PDF__MAX_"),
    "lying-length": (None, "Metformin lowers glucose."),
    "10000-pages": (PdfLimitError, "10000 pages; at most 2000 are read. If the file is right, raise MK_PDF__MAX_PAGES"),
    "20000-points": (PdfLimitError, "20000 x 20000 points; at most 14400"),
    "no-size": (None, "Metformin lowers glucose."),
    "negative-size": (EmptyPayloadError, "no text"),
    "beside-the-page": (None, "Metformin"),
    "negative-letters": (None, "Metformin lowers"),
    "script-and-file": (None, "Metformin lowers glucose."),
    "no-unicode-map": (None, "Metformin lowers glucose."),
    "zip-bomb": (PdfLimitError, "more than 320 MiB of memory"),
    "crowded-page": (None, "word word"),
}
GIVEN: dict[str, Expected] = {
    "2206.01062_pg3.pdf": (PdfPasswordError, "encrypted"),
    "ContentStreamCycleType3insideType3.pdf": (None, "ab"),
    "REDHAT-1531897-0.pdf": (PdfUnreadableError, "broken"),
    "empty.pdf": (EmptyPayloadError, "no text"),
    "empty_protected.pdf": (EmptyPayloadError, "no text"),
    "grayscale-image.pdf": (PdfNeedsOcrError, "1 of its 1 pages are images"),
    "habibi-rotated.pdf": (None, "habibi"),
    "helloworld-bad.pdf": (None, "Hello, world!"),
    "html_error_page_named.pdf": (PdfUnreadableError, "titled '403 Forbidden'"),
    "imagemagick-images.pdf": (PdfNeedsOcrError, "6 of its 6 pages are images"),
    "libreoffice-writer-password.pdf": (PdfPasswordError, "encrypted"),
    "multicolumn.pdf": (None, "Two-Column Document with Lorem Ipsum"),
    "ocr_test.pdf": (PdfNeedsOcrError, "MK_PDF__OCR=rapidocr"),
    "ocr_test_rotated_90.pdf": (PdfNeedsOcrError, "MK_PDF__OCR=rapidocr"),
    "operator_list_cycle.pdf": (EmptyPayloadError, "no text"),
    "poppler-395-0-fuzzed.pdf": (PdfPasswordError, "encrypted"),
    "poppler-67295-0.pdf": (None, "TestString123"),
    "poppler-742-0-fuzzed.pdf": (PdfUnreadableError, "broken"),
    "poppler-85140-0.pdf": (PdfLimitError, "595 x 2147483648 points"),
    "poppler-91414-0-53.pdf": (None, "foobar"),
    "pr6531_2.pdf": (PdfPasswordError, "encrypted"),
    "rotation.pdf": (None, "This is my first page with normal layout."),
    "sample_with_rotation_mismatch.pdf": (PdfNeedsOcrError, "1 of its 1 pages are images"),
    "truncated_half.pdf": (PdfUnreadableError, "cut off"),
    "with-attachment.pdf": (None, "Lorem ipsum dolor sit amet"),
    "xref_command_missing.pdf": (None, "Reduced test-case"),
    "zero_bytes.pdf": (EmptyPayloadError, "has no bytes"),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[IsolatedEngine]:
    """One engine for all files: each meets it as those before have left it."""
    made = IsolatedEngine(local_engine, {"limits": {"max_seconds": 20.0}}, limits=LIMITS)
    yield made
    made.close()


def read(engine: IsolatedEngine, path: Path, password: str | None = None) -> Document:
    """The whole way of a file, as the worker goes it."""
    layout = engine.read(path, password=password)
    check_layout(layout)
    stored = StoredPdf(object_key="k", sha256="0" * 64, size_bytes=path.stat().st_size, asset=PdfAsset(url=path.as_uri()))
    document = document_from_layout(layout, stored, doc_id="local:x", source="local", parsed_at=datetime.now(UTC))
    return IrValidator().execute(StageContext("default"), document)


def check(engine: IsolatedEngine, path: Path, expected: Expected) -> None:
    kind, said = expected
    began = time.monotonic()
    if kind is None:
        assert said in read(engine, path).text
    else:
        with pytest.raises(kind) as caught:
            read(engine, path)
        assert type(caught.value) is kind
        assert said in str(caught.value)
        assert caught.value.remedy
    assert time.monotonic() - began < MUCH


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_wrong_on_purpose(name: str, engine: IsolatedEngine, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.pdf"
    path.write_bytes(HOSTILE[name]())
    check(engine, path, GENERATED[name])


@pytest.mark.parametrize("name", GIVEN)
def test_a_bad_file_from_the_world(name: str, engine: IsolatedEngine, test_data: Path) -> None:
    check(engine, test_data / "pdf_bad" / name, GIVEN[name])


def test_no_bad_file_is_left_out(test_data: Path) -> None:
    assert {path.name for path in (test_data / "pdf_bad").iterdir()} == GIVEN.keys()


def test_after_all_of_them_a_good_file_is_read(engine: IsolatedEngine, tmp_path: Path) -> None:
    content, words = article()
    path = tmp_path / "good.pdf"
    path.write_bytes(content)
    text = read(engine, path).text
    assert [word for word in words if word not in text] == []


def test_a_password_opens_what_is_encrypted(engine: IsolatedEngine, test_data: Path) -> None:
    assert "document" in read(engine, test_data / "pdf_bad" / "2206.01062_pg3.pdf", "1234").text.lower()


def test_limits_are_raised_by_their_settings(tmp_path: Path) -> None:
    limits = {"max_page_points": 20_000.0, "max_pages": 10_000}
    engine = local_engine(limits)
    for name, pages in (("20000-points", 1), ("10000-pages", 10_000)):
        path = tmp_path / f"{name}.pdf"
        path.write_bytes(HOSTILE[name]())
        assert len(engine.read(path).pages) == pages


def test_there_is_nothing_that_could_run_a_script() -> None:
    """pdfium is built without V8 and XFA."""
    assert not {"V8", "XFA"} & set(pypdfium2.version.PDFIUM_INFO.flags)
