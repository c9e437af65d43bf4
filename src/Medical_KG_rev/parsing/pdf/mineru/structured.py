"""``structured_content`` of MinerU 4.x: pages of blocks, boxes in fractions of the page, texts in inline Markdown."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

import msgspec

from Medical_KG_rev.models import BoundingBox
from Medical_KG_rev.parsing.pdf.layout import LayoutKind, PageSize
from Medical_KG_rev.parsing.pdf.mineru.blocks import Piece, image_type, points
from Medical_KG_rev.parsing.pdf.mineru.reading import Reading

__all__ = ["StructuredContent", "read_structured"]

_DROPPED = frozenset({"header", "footer", "page_number", "aside_text"})
_KINDS = {
    "doc_title": LayoutKind.TITLE,
    "paragraph_title": LayoutKind.HEADING,
    "list": LayoutKind.LIST,
    "index": LayoutKind.LIST,
    "table": LayoutKind.TABLE,
    "image": LayoutKind.FIGURE,
    "chart": LayoutKind.FIGURE,
    "equation": LayoutKind.EQUATION,
    "page_footnote": LayoutKind.FOOTNOTE,
    "ref_text": LayoutKind.REFERENCE,
}
"""Anything else that has words is a paragraph."""
_DATA = "data:"


class _Annotation(msgspec.Struct):
    content: str = ""


class _Block(msgspec.Struct):
    type: str
    bbox: tuple[float, float, float, float] | None = None
    content: str = ""
    level: int = 2
    captions: list[_Annotation] = []
    footnotes: list[_Annotation] = []
    image_source: str = ""
    continues_prev: bool = False


class _Page(msgspec.Struct):
    page_idx: int
    blocks: list[_Block] = []


class _Producer(msgspec.Struct, frozen=True):
    version: str = ""


class _Stated(msgspec.Struct, frozen=True):
    title: str | None = None
    authors: list[str] | None = None


class _Metadata(msgspec.Struct, frozen=True):
    producer: _Producer = _Producer()
    document: _Stated = _Stated()


class StructuredContent(msgspec.Struct):
    """As far as it is read."""

    pages: list[_Page]
    metadata: _Metadata = _Metadata()
    is_full_document: bool = True


def read_structured(content: StructuredContent, sizes: Sequence[PageSize], files: Mapping[str, bytes]) -> Reading:
    """What was read, for pages of these sizes. ``files`` holds the images that the content names instead of carrying them."""
    pieces: list[Piece] = []
    images: dict[str, bytes] = {}
    lost: list[str] = []
    for page in content.pages:
        if not 0 <= page.page_idx < len(sizes):
            lost.append(f"MinerU told of a page {page.page_idx + 1} of {len(sizes)}")
            continue
        for place, block in enumerate(page.blocks):
            if block.type in _DROPPED:
                continue
            image = None
            if block.image_source:
                image = _keep_image(block.image_source, f"page_{page.page_idx}_{block.type}_{place}", images, files)
                if image is None:
                    lost.append(f"an image of page {page.page_idx + 1} did not come with the answer")
            pieces.append(_piece(block, page.page_idx, sizes[page.page_idx], image))
    told = {page.page_idx for page in content.pages}
    stated = content.metadata.document
    properties = {"title": stated.title or "", "author": "; ".join(stated.authors or ())}
    return Reading(
        version=content.metadata.producer.version,
        pieces=pieces,
        missing=tuple(number + 1 for number in range(len(sizes)) if number not in told),
        images=images,
        warnings=tuple(dict.fromkeys(lost)),
        properties={name: value for name, value in properties.items() if value},
    )


def _piece(block: _Block, page_idx: int, size: PageSize, image: str | None) -> Piece:
    kind = _KINDS.get(block.type, LayoutKind.PARAGRAPH)
    box: BoundingBox = points(block.bbox, 1.0, size) if block.bbox else (0.0, 0.0, size.width, size.height)
    return Piece(
        kind=kind,
        page=page_idx + 1,
        bbox=box,
        text=block.content.strip("`") if block.type == "code" else block.content,
        level=block.level - 1,
        captions=[note.content for note in block.captions],
        footnotes=[note.content for note in block.footnotes],
        image=image,
        continues=block.continues_prev,
    )


def _keep_image(source: str, name: str, images: dict[str, bytes], files: Mapping[str, bytes]) -> str | None:
    """The name under which the image is kept, the same in both forms of an answer; None where it is not there, or no image."""
    content = data_of(source) if source.startswith(_DATA) else files.get(source, b"")
    ending = image_type(content)
    if ending is None:
        return None
    images[f"{name}.{ending}"] = content
    return f"{name}.{ending}"


def data_of(url: str) -> bytes:
    """The bytes of a base64 data URL; none where it is not one."""
    head, _, encoded = url.partition(",")
    if not head.endswith(";base64"):
        return b""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
