"""The conformance kit of PDF engines: each check raises ConformanceError where an engine falls short of the port."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from math import isfinite
from pathlib import Path

from Medical_KG_rev.errors import MedicalKGError, PayloadError, PdfPasswordError
from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutKind, PageSize, PdfLayout
from Medical_KG_rev.parsing.pdf.port import PdfEngine
from Medical_KG_rev.testing.expect import ConformanceError, expect
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf

MakeEngine = Callable[[], PdfEngine]

TOLERANCE = 1.0
"""Points by which a box may stand over its page: engines round."""

PASSWORD = "sesame"  # noqa: S105 - of a file that this kit writes
_SYLLABLES = ("ba", "ce", "di", "fa", "gu", "la", "me", "ni", "po", "ru")
_LINES, _WORDS = 20, 5


def check_pdf_engine(make_engine: MakeEngine, folder: Path) -> None:
    """Runs every check, each with an engine of its own; ``folder`` takes the files."""
    for check in CHECKS:
        check(make_engine, folder)


def article(pages: int = 2) -> tuple[bytes, list[str]]:
    """An article in two columns, and its words in reading order; none stands twice."""
    words = [_word(number) for number in range(pages * 2 * _LINES * _WORDS)]
    rest = iter(words)
    made = []
    for number in range(pages):
        lines = [Line(150, 780, "A trial of reading in two columns", 18, "F2")] if number == 0 else []
        places = [(left, 700 - row * 12) for left in (50, 310) for row in range(_LINES)]
        lines += [Line(left, base, " ".join(islice(rest, _WORDS))) for left, base in places]
        made.append(Page(lines))
    return text_pdf(made), words


def check_layout(layout: PdfLayout) -> None:
    """What holds for every layout, whatever was read: pages, boxes, kinds of blocks, grids, names of images."""
    expect(bool(layout.engine and layout.engine_version), "a layout names its engine and the engine's version")
    expect(bool(layout.pages), "a layout has the sizes of its pages")
    for page in layout.pages:
        expect(page.width > 0 and page.height > 0, f"a page has a size; got {page}")
    for block in layout.blocks:
        expect(1 <= block.page <= len(layout.pages), f"a block stands on a page of the file, from 1; got {block.page}")
        _check_box(block, layout.pages[block.page - 1])
        _check_content(layout, block)
    for number in layout.scanned:
        expect(1 <= number <= len(layout.pages), f"a scanned page is one of the file, from 1; got {number}")
    expect(list(layout.scanned) == sorted(set(layout.scanned)), "scanned pages are listed once, in order")


def check_identity(make_engine: MakeEngine, _folder: Path) -> None:
    """Name, version and fingerprint are there, and the same for every engine that is made alike."""
    one, other = make_engine(), make_engine()
    expect(bool(re.fullmatch(r"[a-z][a-z0-9-]*", one.name)), f"a name is of small letters; got {one.name!r}")
    expect(bool(one.version), "an engine has a version")
    expect(one.name in one.fingerprint and one.version in one.fingerprint, "a fingerprint has the name and the version in it")
    expect(one.fingerprint == other.fingerprint, "engines that are made alike have one fingerprint")
    one.close()
    other.close()


def check_article(make_engine: MakeEngine, folder: Path) -> None:
    """An article in two columns: sizes, boxes, every word, in reading order, on its page."""
    content, words = article()
    layout = _read(make_engine, folder, content)
    check_layout(layout)
    expect(layout.pages == (PageSize(595.0, 842.0),) * 2, f"two pages of 595 x 842 points; got {layout.pages}")
    expect(not layout.scanned, "pages of text are not scanned")
    text = " ".join(block.text for block in layout.blocks)
    expect("trial of reading in two columns" in text, "the title is read")
    found = [word for word in re.findall(r"\w+", text) if word in set(words)]
    expect(found == words, f"the words come in reading order: {_first_difference(found, words)}")
    for block in layout.blocks:
        first = next((word for word in re.findall(r"\w+", block.text) if word in set(words)), None)
        if first is not None:
            page = words.index(first) // (2 * _LINES * _WORDS) + 1
            expect(block.page == page, f"the block that begins with {first} is on page {page}; got {block.page}")


def check_determinism(make_engine: MakeEngine, folder: Path) -> None:
    """The same bytes give the same layout, in one engine and in another."""
    path = _file(folder, article()[0])
    engine, other = make_engine(), make_engine()
    first = engine.read(path)
    expect(engine.read(path) == first, "the same bytes give the same layout again")
    expect(other.read(path) == first, "the same bytes give the same layout in another engine")
    engine.close()
    other.close()


def check_rotation(make_engine: MakeEngine, folder: Path) -> None:
    """A page is measured as it is shown."""
    line = Line(100, 300, "A line on a page that lies.", 12, upward=True)
    layout = _read(make_engine, folder, text_pdf([Page([line], rotate=90)]))
    check_layout(layout)
    expect(layout.pages == (PageSize(842.0, 595.0),), f"a rotated page is as wide as it is shown; got {layout.pages}")
    block = next((block for block in layout.blocks if "page that lies" in block.text), None)
    if block is None:
        raise ConformanceError("a line on a rotated page is read")
    left, top, right, bottom = block.bbox
    # A quarter clockwise: what was 300 from the bottom is 300 from the left, what was 100 from the left is 100 from the top.
    expect(290 < left < 310 < 400 < right < 500, f"the line begins 300 points from the left as it is shown; got {block.bbox}")
    expect(80 < top < 100 <= bottom < 110, f"the line stands 100 points from the top as it is shown; got {block.bbox}")


def check_progress(make_engine: MakeEngine, folder: Path) -> None:
    """Progress never goes back, and ends with all pages."""
    told: list[tuple[int, int]] = []
    engine = make_engine()
    engine.read(_file(folder, article(3)[0]), progress=lambda pages, total: told.append((pages, total)))
    engine.close()
    expect(bool(told) and told[-1] == (3, 3), f"progress ends with all pages; got {told}")
    expect(told == sorted(told) and {total for _, total in told} == {3}, f"progress never goes back; got {told}")


def check_password(make_engine: MakeEngine, folder: Path) -> None:
    """An encrypted file is read with its password, and named without."""
    path = _file(folder, text_pdf([Page([Line(50, 700, "A line that was hidden.", 12)])], password=PASSWORD))
    engine = make_engine()
    expect(_refusal(engine, path, PdfPasswordError) is not None, "an encrypted file is a PdfPasswordError")
    expect(_refusal(engine, path, PdfPasswordError, "wrong") is not None, "a wrong password is a PdfPasswordError")
    layout = engine.read(path, password=PASSWORD)
    engine.close()
    expect("that was hidden" in " ".join(block.text for block in layout.blocks), "the password opens the file")


def check_refusals(make_engine: MakeEngine, folder: Path) -> None:
    """What is no PDF, or a broken one, is a PayloadError that names the file; the next file is read."""
    whole, words = article()
    engine = make_engine()
    for content in (b"", b"<html><title>Sign in</title></html>", b"\0" * 5000, whole[: len(whole) // 3], b"%PDF-1.7\n%%EOF"):
        path = _file(folder, content, "refused.pdf")
        error = _refusal(engine, path, PayloadError)
        expect(error is not None, f"{content[:20]!r}… is refused with a PayloadError")
        expect("refused.pdf" in str(error), f"the error names the file; got {error}")
    expect(_refusal(engine, folder / "absent.pdf", PayloadError) is not None, "a file that is not there is a PayloadError")
    after = engine.read(_file(folder, whole))
    engine.close()
    expect(words[0] in " ".join(block.text for block in after.blocks), "after an error the next file is read")


def check_close(make_engine: MakeEngine, _folder: Path) -> None:
    """Closing twice does no harm, and neither does closing what never read."""
    engine = make_engine()
    engine.close()
    engine.close()


CHECKS: tuple[Callable[[MakeEngine, Path], None], ...] = (
    check_identity,
    check_article,
    check_determinism,
    check_rotation,
    check_progress,
    check_password,
    check_refusals,
    check_close,
)


def _read(make_engine: MakeEngine, folder: Path, content: bytes) -> PdfLayout:
    engine = make_engine()
    layout = engine.read(_file(folder, content))
    engine.close()
    expect(layout.engine == engine.name, f"the layout names the engine {engine.name}; got {layout.engine}")
    return layout


def _file(folder: Path, content: bytes, name: str = "sample.pdf") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _refusal(engine: PdfEngine, path: Path, kind: type[MedicalKGError], password: str | None = None) -> MedicalKGError | None:
    try:
        engine.read(path, password=password)
    except kind as error:
        return error
    return None


def _check_box(block: LayoutBlock, page: PageSize) -> None:
    left, top, right, bottom = block.bbox
    expect(all(map(isfinite, block.bbox)), f"a box is of numbers; got {block.bbox}")
    expect(left < right and top < bottom, f"a box is left, top, right, bottom; got {block.bbox}")
    inside = left >= -TOLERANCE and top >= -TOLERANCE and right <= page.width + TOLERANCE and bottom <= page.height + TOLERANCE
    expect(inside, f"a box lies on its page of {page.width:g} x {page.height:g}; got {block.bbox}")


def _check_content(layout: PdfLayout, block: LayoutBlock) -> None:
    if block.kind in (LayoutKind.TABLE, LayoutKind.FIGURE):
        expect(not (block.text and block.cells), "a table has cells, or text where they are not known")
        expect(bool(block.caption or block.cells or block.image or block.text), f"a {block.kind} has a content")
    else:
        expect(bool(block.text.strip()), f"a {block.kind} has text")
        expect(not block.cells, f"a {block.kind} has no cells")
    expect(block.level >= 1, "levels count from 1")
    expect(block.image is None or block.image in layout.images, f"the image {block.image} is among those of the layout")
    taken: set[tuple[int, int]] = set()
    for cell in block.cells:
        expect(min(cell.row, cell.column) >= 0, "rows and columns count from 0")
        expect(min(cell.row_span, cell.column_span) >= 1, "a cell spans one row and one column at least")
        own = {(cell.row + y, cell.column + x) for y in range(cell.row_span) for x in range(cell.column_span)}
        expect(not own & taken, f"cells do not overlap; cell {cell.row},{cell.column} does")
        taken |= own


def _word(number: int) -> str:
    """A word of four syllables that stands for this number."""
    return "".join(_SYLLABLES[number // 10**place % 10] for place in (3, 2, 1, 0))


def _first_difference(found: list[str], expected: list[str]) -> str:
    for number, word in enumerate(expected):
        if number >= len(found) or found[number] != word:
            return f"word {number} is {found[number] if number < len(found) else 'missing'} instead of {word}"
    return f"{len(found)} words instead of {len(expected)}"
