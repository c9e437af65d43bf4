"""What both forms of MinerU's answers have in common: pieces of pages, and the layout's blocks that become of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from Medical_KG_rev.models import BoundingBox
from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutKind, PageSize
from Medical_KG_rev.parsing.pdf.mineru.markup import formula_text, plain_text
from Medical_KG_rev.parsing.pdf.mineru.tables import table_cells

__all__ = ["Piece", "blocks_of", "image_type", "points", "scanned_pages"]

MIN_PROSE_WORDS = 25
MIN_ENTRIES = 3
"""So many paragraphs in a row that begin as references do are references, also where their heading was lost."""
MIN_POINTS = 0.1
MIN_SCAN_SHARE = 0.5
"""Of a page that an image covers, for the page to count as scanned."""

_LABEL = re.compile(
    r"((?:supplementary |supplemental |additional |appendix )?(?:table|tab\.|figure|fig\.?|scheme|box|chart|plate))"
    r"\s*(s?\d+(?:\.\d+)*[a-z]?|[ivx]+|[a-z]\.?\d+)\b",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?:\d+|[A-Z])((?:\.\d+)+)\.?\s")
_REFERENCES = re.compile(
    r"(?:[\dIVX]+\.?\s+)?(?:references?(?: and notes)?|bibliography|literature cited|works cited)\W*", re.IGNORECASE
)
_FIRST_HEADING = re.compile(
    r"(?:\d|[IVX]+\.\s|abstract|summary|synopsis|introduction|background|objectives?|purpose|aims?|key ?words|highlights"
    r"|article info|graphical|case (?:report|presentation)|contents)\b",
    re.IGNORECASE,
)
"""What begins a section; another heading right after the title is its second line."""
_ENTRY = re.compile(r"\[\d{1,3}\]\s+\S")
"""How an entry of a numbered list of references begins."""
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_HYPHENATED = re.compile(r"(?<=[a-z])-$")
_IMAGE_TYPES = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif", b"RIFF": "webp"}


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One block as the server has it: inline Markdown in ``text``, ``captions``, ``footnotes`` and ``items``.

    ``level`` is that of a heading, from 1; ``continues``: it is the rest of the paragraph before it.
    """

    kind: LayoutKind
    page: int
    bbox: BoundingBox
    text: str = ""
    level: int = 1
    items: Sequence[str] = ()
    captions: Sequence[str] = ()
    footnotes: Sequence[str] = ()
    image: str | None = None
    continues: bool = False


def points(box: Sequence[float], whole: float, page: PageSize) -> BoundingBox:
    """A box in parts of the page, of which ``whole`` are its width or height, in points.

    What lies beyond the page is cut off, sides that are swapped are put right, and a line is given a breadth.
    """
    left, right = _side(box[0] / whole, box[2] / whole, page.width)
    top, bottom = _side(box[1] / whole, box[3] / whole, page.height)
    return left, top, right, bottom


def _side(one: float, other: float, length: float) -> tuple[float, float]:
    low, high = (min(max(end, 0.0), 1.0) * length for end in sorted((one, other)))
    if high - low < MIN_POINTS:
        low = min(low, length - MIN_POINTS)
        high = low + MIN_POINTS
    return low, high


def blocks_of(pieces: Iterable[Piece]) -> list[LayoutBlock]:
    """Blocks in the order of the pieces: what belongs together is joined, front matter and references are told from the text."""
    return _with_references(_with_authors(_with_whole_title(_joined(pieces))))


def scanned_pages(pieces: Sequence[Piece], pages: Sequence[PageSize]) -> tuple[int, ...]:
    """Pages, from 1, on which there is no text, and an image over the most of them."""
    with_words = {piece.page for piece in pieces if piece.text or piece.items or piece.captions or piece.kind is LayoutKind.TABLE}
    covered: dict[int, float] = {}
    for piece in pieces:
        if piece.kind is LayoutKind.FIGURE:
            left, top, right, bottom = piece.bbox
            covered[piece.page] = covered.get(piece.page, 0.0) + (right - left) * (bottom - top)
    shares = {page: area / (pages[page - 1].width * pages[page - 1].height) for page, area in covered.items()}
    return tuple(sorted(page for page, share in shares.items() if share >= MIN_SCAN_SHARE and page not in with_words))


def image_type(content: bytes) -> str | None:
    """The ending that fits an image's first bytes; None where they are no image's."""
    return next((kind for mark, kind in _IMAGE_TYPES.items() if content.startswith(mark)), None)


def _joined(pieces: Iterable[Piece]) -> list[LayoutBlock]:
    found: list[LayoutBlock] = []
    for piece in pieces:
        for block in _blocks(piece):
            before = _paragraph_before(found) if piece.continues and block.kind is LayoutKind.PARAGRAPH else None
            if before is None:
                found.append(block)
            else:
                whole = _hyphen_joined(found[before].text, block.text)
                found[before] = msgspec.structs.replace(found[before], text=whole)
    return found


def _paragraph_before(blocks: Sequence[LayoutBlock]) -> int | None:
    """The last paragraph, past tables, figures and footnotes that stand in between."""
    for place in range(len(blocks) - 1, -1, -1):
        kind = blocks[place].kind
        if kind is LayoutKind.PARAGRAPH:
            return place
        if kind not in (LayoutKind.TABLE, LayoutKind.FIGURE, LayoutKind.FOOTNOTE):
            return None
    return None


def _hyphen_joined(before: str, after: str) -> str:
    if _HYPHENATED.search(before) and after[:1].islower():
        return before[:-1] + after
    return f"{before} {after}"


def _blocks(piece: Piece) -> list[LayoutBlock]:
    """The blocks of one piece; none where nothing is in it."""
    block = LayoutBlock(kind=piece.kind, page=piece.page, bbox=piece.bbox)
    if piece.kind is LayoutKind.REFERENCE:
        texts = [plain_text(item) for item in piece.items or (piece.text,)]
        return [msgspec.structs.replace(block, text=text) for text in texts if text]
    if piece.kind in (LayoutKind.TABLE, LayoutKind.FIGURE):
        return _floating(piece, block)
    if piece.kind is LayoutKind.LIST:
        items = [plain_text(_BULLET.sub("", item)) for item in piece.items or piece.text.splitlines()]
        text = "\n".join(filter(None, items))
    else:
        text = formula_text(piece.text) if piece.kind is LayoutKind.EQUATION else plain_text(piece.text)
    if not text:
        return []
    level = _level(text, piece.level) if piece.kind is LayoutKind.HEADING else 1
    return [msgspec.structs.replace(block, text=text, level=level, image=piece.image)]


def _floating(piece: Piece, block: LayoutBlock) -> list[LayoutBlock]:
    cells = table_cells(piece.text) if piece.kind is LayoutKind.TABLE else ()
    captions = [plain_text(caption) for caption in piece.captions]
    # Sub-captions "(b) …" may come before the caption that names the whole.
    captions.sort(key=lambda caption: _LABEL.match(caption) is None)
    caption = " ".join(filter(None, captions))
    label = _LABEL.match(caption)
    whole = msgspec.structs.replace(
        block,
        text="" if cells else plain_text(piece.text.strip("`\n")),
        label=label[0] if label else "",
        caption=caption,
        footnote=" ".join(filter(None, map(plain_text, piece.footnotes))),
        cells=cells,
        image=piece.image,
    )
    return [whole] if whole.cells or whole.text or whole.caption or whole.image else []


def _level(heading: str, stated: int) -> int:
    """The depth of a heading: that of its own number where it has one with dots; the models often state one for all."""
    numbered = _NUMBERED.match(heading)
    return numbered[1].count(".") + 1 if numbered else max(stated, 1)


def _with_whole_title(blocks: list[LayoutBlock]) -> list[LayoutBlock]:
    """One title: its second line, taken for a heading, is joined to it; what claims to be a title later is a heading."""
    found: list[LayoutBlock] = []
    for place, block in enumerate(blocks):
        before = found[-1] if found else None
        is_title = block.kind is LayoutKind.TITLE
        if before is not None and before.kind is LayoutKind.TITLE and before.page == block.page and _goes_on(block):
            found[-1] = msgspec.structs.replace(before, text=f"{before.text} {block.text}")
        elif is_title and any(earlier.kind is LayoutKind.TITLE for earlier in blocks[:place]):
            found.append(msgspec.structs.replace(block, kind=LayoutKind.HEADING))
        else:
            found.append(block)
    return found


def _goes_on(block: LayoutBlock) -> bool:
    return block.kind in (LayoutKind.TITLE, LayoutKind.HEADING) and not _FIRST_HEADING.match(block.text)


def _with_authors(blocks: list[LayoutBlock]) -> list[LayoutBlock]:
    """Paragraphs between title and first heading are authors, unless they are prose."""
    kinds = [block.kind for block in blocks]
    if LayoutKind.TITLE not in kinds or LayoutKind.HEADING not in kinds:
        return blocks
    start, end = kinds.index(LayoutKind.TITLE), kinds.index(LayoutKind.HEADING)
    return [
        msgspec.structs.replace(block, kind=LayoutKind.AUTHORS)
        if start < place < end and block.kind is LayoutKind.PARAGRAPH and not _is_prose(block.text)
        else block
        for place, block in enumerate(blocks)
    ]


def _is_prose(text: str) -> bool:
    """Most words of a sentence begin with a small letter; those of names and addresses do not."""
    words = [word for word in text.split() if word[0].isalpha()]
    return len(words) >= MIN_PROSE_WORDS and sum(word[0].islower() for word in words) * 2 > len(words)


def _with_references(blocks: list[LayoutBlock]) -> list[LayoutBlock]:
    """Paragraphs and items below the heading of the references are references."""
    found: list[LayoutBlock] = []
    numbered = _numbered_entries(blocks)
    inside = False
    for place, block in enumerate(blocks):
        if block.kind is LayoutKind.HEADING:
            inside = _REFERENCES.fullmatch(block.text) is not None
        if place in numbered or (inside and block.kind in (LayoutKind.PARAGRAPH, LayoutKind.LIST)):
            found += [msgspec.structs.replace(block, kind=LayoutKind.REFERENCE, text=item) for item in block.text.split("\n")]
        else:
            found.append(block)
    return found


def _numbered_entries(blocks: Sequence[LayoutBlock]) -> set[int]:
    """The places of paragraphs that stand in a row and begin as entries do."""
    places: set[int] = set()
    for is_entry, run in groupby(enumerate(blocks), key=lambda entry: _is_entry(entry[1])):
        entries = [place for place, _ in run] if is_entry else []
        places |= set(entries) if len(entries) >= MIN_ENTRIES else set()
    return places


def _is_entry(block: LayoutBlock) -> bool:
    return block.kind is LayoutKind.PARAGRAPH and _ENTRY.match(block.text) is not None
