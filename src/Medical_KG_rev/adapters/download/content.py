"""What bytes are, told by themselves: names, types and status codes are not believed."""

from __future__ import annotations

from Medical_KG_rev.adapters.answers import reason

HEAD_BYTES = 4096
"""So many bytes tell what a content is; a page's title stands in them too."""
TAIL_BYTES = 64 * 1024
"""A PDF's end mark stands in the last of its bytes; some servers put a line or two after it."""
_MARK_BYTES = 1024
"""Readers take a PDF whose header begins within so many bytes."""


def is_pdf(head: bytes) -> bool:
    """Whether a content that begins so is a PDF."""
    return b"%PDF-" in head[: _MARK_BYTES + 5]


def has_end(tail: bytes) -> bool:
    """Whether a PDF that ends so is whole: readers ask for the mark, and a file that was cut off has none."""
    return b"%%EOF" in tail


def describe(head: bytes) -> str:
    """What a content is that is no PDF, with what it says of itself."""
    if not head:
        return "an empty body"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    lowered = text[:1024].lower()
    if lowered.startswith((b"<!doctype html", b"<html")) or b"<html" in lowered:
        kind = "an HTML page"
    elif text.startswith(b"<"):
        kind = "XML"
    elif text.startswith((b"{", b"[")):
        kind = "JSON"
    elif head.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        return "an archive"
    elif b"\0" in head:
        return "bytes of another kind"
    else:
        kind = "text"
    said = reason(text)
    return f"{kind} ({said})" if said else kind
