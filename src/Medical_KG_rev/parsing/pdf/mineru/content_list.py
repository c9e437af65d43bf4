"""``content_list`` of MinerU 3.x and 2.x: one list of items, boxes in thousandths of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import msgspec

from Medical_KG_rev.models import BoundingBox
from Medical_KG_rev.parsing.pdf.layout import LayoutKind, PageSize
from Medical_KG_rev.parsing.pdf.mineru.blocks import Piece, image_type, points
from Medical_KG_rev.parsing.pdf.mineru.reading import Reading

__all__ = ["Item", "read_content_list"]

THOUSANDTHS = 1000.0
_DROPPED = frozenset({"header", "footer", "page_number", "aside_text", "discarded"})
_KINDS = {
    "table": LayoutKind.TABLE,
    "image": LayoutKind.FIGURE,
    "chart": LayoutKind.FIGURE,
    "equation": LayoutKind.EQUATION,
    "list": LayoutKind.LIST,
    "page_footnote": LayoutKind.FOOTNOTE,
}


class Item(msgspec.Struct):
    """As far as it is read. What a kind of item calls its own (``table_caption``, ``chart_caption``) is read by its name."""

    type: str
    page_idx: int
    bbox: tuple[float, float, float, float] | None = None
    text: str = ""
    text_level: int | None = None
    sub_type: str = ""
    list_items: list[str] = []
    img_path: str = ""
    table_body: str = ""
    code_body: str = ""
    content: str = ""
    table_caption: list[str] = []
    table_footnote: list[str] = []
    image_caption: list[str] = []
    image_footnote: list[str] = []
    chart_caption: list[str] = []
    chart_footnote: list[str] = []
    code_caption: list[str] = []


def read_content_list(items: Sequence[Item], sizes: Sequence[PageSize], files: Mapping[str, bytes], version: str) -> Reading:
    """What was read, for pages of these sizes. ``files`` holds the images by the ends of their names."""
    images: dict[str, bytes] = {}
    lost: list[str] = []
    pieces: list[Piece] = []
    has_title = False
    for item in items:
        if not 0 <= item.page_idx < len(sizes):
            lost.append(f"MinerU told of a page {item.page_idx + 1} of {len(sizes)}")
            continue
        if item.type in _DROPPED:
            continue
        name = PurePosixPath(item.img_path).name
        content = files.get(name, b"")
        if image_type(content) is not None:
            images[name] = content
        elif name:
            lost.append(f"an image of page {item.page_idx + 1} did not come with the answer")
        kind = _kind(item, has_title)
        has_title = has_title or kind is LayoutKind.TITLE
        pieces.append(_piece(item, kind, sizes[item.page_idx], name if name in images else None))
    return Reading(version=version, pieces=pieces, images=images, warnings=tuple(dict.fromkeys(lost)))


def _kind(item: Item, has_title: bool) -> LayoutKind:
    """A heading of the first level is the title, once: 2.x gives all headings that level."""
    if item.type == "text" and item.text_level:
        is_title = item.text_level == 1 and not has_title and item.page_idx == 0
        return LayoutKind.TITLE if is_title else LayoutKind.HEADING
    if item.type == "list" and item.sub_type == "ref_text":
        return LayoutKind.REFERENCE
    return _KINDS.get(item.type, LayoutKind.PARAGRAPH)


def _piece(item: Item, kind: LayoutKind, size: PageSize, image: str | None) -> Piece:
    return Piece(
        kind=kind,
        page=item.page_idx + 1,
        bbox=_box(item, size),
        text=item.table_body or item.code_body or item.text or item.content,
        level=(item.text_level or 1) - 1,
        items=item.list_items,
        captions=[*item.table_caption, *item.image_caption, *item.chart_caption, *item.code_caption],
        footnotes=[*item.table_footnote, *item.image_footnote, *item.chart_footnote],
        image=image,
    )


def _box(item: Item, size: PageSize) -> BoundingBox:
    """The whole page where an old server gives no box."""
    return points(item.bbox, THOUSANDTHS, size) if item.bbox else (0.0, 0.0, size.width, size.height)
