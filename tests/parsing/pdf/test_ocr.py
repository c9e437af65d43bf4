"""Pages that are images: in which order recognised lines are read, and where they stand on the page."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from pdf_engines import PlainEngine

from Medical_KG_rev.errors import PartUnavailableError
from Medical_KG_rev.parsing.pdf.engines import local_engine
from Medical_KG_rev.parsing.pdf.layout import PdfLayout
from Medical_KG_rev.parsing.pdf.ocr import OcrEngine
from Medical_KG_rev.parsing.pdf.ocr.lines import RecognizedLine, paragraphs
from Medical_KG_rev.parsing.pdf.ocr.recognition import Recognition
from Medical_KG_rev.testing.pdf_samples import Line, Page, PdfFile, text_pdf

pytestmark = pytest.mark.component


def line(text: str, left: float, top: float, right: float | None = None, height: float = 10) -> RecognizedLine:
    return RecognizedLine(text, (left, top, right or left + 200, top + height))


def texts(*lines: RecognizedLine) -> list[str]:
    return [paragraph.text for paragraph in paragraphs(lines)]


def test_lines_join_to_paragraphs() -> None:
    found = paragraphs(
        [line("reading a pa-", 10, 22), line("One of many,", 10, 10), line("per. And 1-", 10, 34), line("2 more.", 10, 80)]
    )
    assert [paragraph.text for paragraph in found] == ["One of many, reading a paper. And 1-", "2 more."]
    assert found[0].bbox == (10, 10, 210, 44)


def test_a_headline_is_no_part_of_the_text_below() -> None:
    assert texts(line("Headline", 10, 10, height=24), line("Text.", 10, 38)) == ["Headline", "Text."]


def test_two_columns_between_lines_across() -> None:
    left = [line(f"left {row}", 10, 50 + 12 * row) for row in range(3)]
    right = [line(f"right {row}", 230, 51 + 12 * row) for row in range(3)]
    across = [line("Title over both columns", 10, 10, 430), line("A line below both", 10, 100, 430)]
    assert texts(*right, *across, *left) == [
        "Title over both columns",
        "left 0 left 1 left 2",
        "right 0 right 1 right 2",
        "A line below both",
    ]


def test_what_stands_in_a_row_is_read_from_left_to_right() -> None:
    assert texts(line("b", 230, 10), line("a", 10, 11), line("c", 10, 40)) == ["a", "b", "c"]


def test_no_lines_are_no_paragraphs() -> None:
    assert paragraphs([]) == []


@pytest.mark.parametrize(
    ("turns", "expected"),
    [(0, (1, 2, 3, 5)), (1, (95, 1, 98, 3)), (2, (97, 195, 99, 198)), (3, (2, 197, 5, 199))],
)
def test_boxes_of_a_turned_image(turns: int, expected: tuple[float, ...]) -> None:
    """On an image 100 wide and 200 high."""
    assert Recognition((), turns=turns).unturned((1, 2, 3, 5), 100, 200) == expected


class Recognizer:
    """Finds on every image the same words, in the pixels in which it is told."""

    version = "reader-1"

    def __init__(self, *lines: RecognizedLine) -> None:
        self.lines = lines
        self.seen: list[tuple[int, ...]] = []

    def recognize(self, image: Any) -> Recognition:
        self.seen.append(image.shape)
        return Recognition(self.lines, 1.0)


def scans(folder: Path, *pages: str) -> Path:
    """A file of pages that are an image (``""``) or text."""
    file = PdfFile()
    image = file.stream(
        b"\x7f" * 100, "/Type /XObject /Subtype /Image /Width 10 /Height 10 /ColorSpace /DeviceGray /BitsPerComponent 8"
    )
    content = b"q 500 0 0 700 40 40 cm /Im1 Do Q\n"
    made = [Page([Line(50, 780, text)] if text else [], content=b"" if text else content) for text in pages]
    path = folder / "scan.pdf"
    path.write_bytes(text_pdf(made, file=file, resources=f"/XObject << /Im1 {image} 0 R >>"))
    return path


def read(path: Path, recognizer: Recognizer, told: list[tuple[int, int]] | None = None) -> PdfLayout:
    engine = OcrEngine(PlainEngine(), recognizer)
    layout = engine.read(path, progress=lambda pages, total: (told if told is not None else []).append((pages, total)))
    engine.close()
    return layout


def test_pages_that_are_images_are_read(tmp_path: Path) -> None:
    recognizer = Recognizer(line("Recognised.", 100, 200, 400, 20))
    told: list[tuple[int, int]] = []
    layout = read(scans(tmp_path, "One.", "", "Three."), recognizer, told)
    assert [(block.page, block.text) for block in layout.blocks] == [(1, "One."), (2, "Recognised."), (3, "Three.")]
    assert layout.blocks[1].bbox == (50.0, 100.0, 200.0, 110.0), "at two pixels a point"
    assert recognizer.seen == [(1684, 1190, 3)]
    assert layout.scanned == ()
    assert layout.warnings == ("reader-1 read page 2",)
    assert (layout.engine, layout.engine_version) == ("plain", "1+reader-1")
    assert told[-2:] == [(2, 3), (3, 3)]


def test_an_image_without_text_stays_one(tmp_path: Path) -> None:
    layout = read(scans(tmp_path, ""), Recognizer())
    assert (layout.scanned, layout.blocks, layout.warnings) == ((1,), (), ())


def test_a_file_of_text_is_not_recognised(tmp_path: Path) -> None:
    recognizer = Recognizer(line("x", 1, 1))
    assert read(scans(tmp_path, "One.", "Two."), recognizer).blocks == PlainEngine().read(tmp_path / "scan.pdf").blocks
    assert recognizer.seen == []


def test_parses_with_and_without_recognition_are_told_apart() -> None:
    engine = OcrEngine(PlainEngine(), Recognizer())
    assert engine.fingerprint.startswith("plain-1()+reader-1")


def test_recognition_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(PartUnavailableError, match=r"rapidocr is not installed.*medical-kg-rev\[ocr\]"):
        local_engine({}, "rapidocr")


def photographed(page: Page) -> bytes:
    """A file whose only page is a picture of a page."""
    with pypdfium2.PdfDocument(text_pdf([page])) as document:
        image = document[0].render(scale=2, grayscale=True).to_numpy()
    height, width = image.shape[:2]
    file = PdfFile()
    of_image = f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceGray /BitsPerComponent 8"
    picture = file.stream(zlib.compress(image.tobytes()), f"{of_image} /Filter /FlateDecode")
    content = b"q 595 0 0 842 0 0 cm /Im1 Do Q\n"
    return text_pdf([Page(content=content)], file=file, resources=f"/XObject << /Im1 {picture} 0 R >>")


def test_a_photographed_page_is_read_by_rapidocr(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr")
    path = tmp_path / "photograph.pdf"
    path.write_bytes(photographed(Page([Line(60, 700, "Metformin lowers blood glucose in adults.", 14)])))
    engine = local_engine({}, "rapidocr")
    layout = engine.read(path)
    engine.close()
    assert [block.text for block in layout.blocks] == ["Metformin lowers blood glucose in adults."]
    left, top, right, bottom = layout.blocks[0].bbox
    assert 50 < left < 70 < 200 < right < 350
    assert 125 < top < bottom < 155


def test_a_scan_that_lies_on_its_side_is_read_by_rapidocr(test_data: Path) -> None:
    pytest.importorskip("rapidocr")
    engine = local_engine({}, "rapidocr")
    layout = engine.read(test_data / "pdf_bad" / "ocr_test_rotated_90.pdf")
    engine.close()
    text = " ".join(block.text for block in layout.blocks)
    assert text == "Docling bundles PDF document conversion to JSON and Markdown in an easy self contained package"
    left, top, right, bottom = layout.blocks[0].bbox
    assert bottom - top > 4 * (right - left), "the box stands as the text does"
