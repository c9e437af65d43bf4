"""What is seen of a PDF before an engine reads it: whether it is one, whether it opens, how large it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from Medical_KG_rev.errors import (
    EmptyPayloadError,
    PartUnavailableError,
    PayloadUnreadableError,
    PdfLimitError,
    PdfPasswordError,
    PdfUnreadableError,
)
from Medical_KG_rev.parsing.pdf.limits import MEBIBYTE, PdfLimits

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

HEAD_BYTES = 1024
"""Readers look for the header in so many bytes (ISO 32000-1, annex H)."""
TAIL_BYTES = 4096

_MARKUP = re.compile(rb"\s*<(!doctype|html|head|\?xml)", re.IGNORECASE)
_MARKUP_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
_FETCH_AGAIN = "Fetch the file again, or take another copy of the article."


class PdfFacts(msgspec.Struct, frozen=True):
    """``password`` is the one of those offered that opens the file; None where it needs none."""

    pages: int
    password: str | None


def inspect_pdf(path: Path, limits: PdfLimits, passwords: Sequence[str] = ()) -> PdfFacts:
    """Opens a file without reading its pages.

    Raises:
        PayloadUnreadableError: there is no such file, or no right to read it.
        EmptyPayloadError: it has no bytes.
        PdfUnreadableError: it is no PDF, or a broken one.
        PdfPasswordError: none of the passwords opens it.
        PdfLimitError: it is larger than the limits allow.
    """
    _check_bytes(path, limits)
    document, password = open_pdf(path, passwords)
    try:
        pages = len(document)
        if pages > limits.max_pages:
            raise limit_error(path, "max_pages", f"has {pages} pages; at most {limits.max_pages} are read")
        _check_sizes(path, document, limits)
    finally:
        document.close()
    return PdfFacts(pages, password)


def open_pdf(path: Path, passwords: Sequence[str] = ()) -> tuple[PdfDocument, str | None]:
    """The opened document, to be closed by the caller, and the password that opened it.

    Raises:
        PartUnavailableError: pypdfium2 is not installed.
        PdfPasswordError: none of the passwords opens it.
        PdfUnreadableError: it is no PDF, or a broken one.
    """
    try:
        import pypdfium2
        from pypdfium2.raw import FPDF_ERR_PASSWORD
    except ImportError as error:
        raise PartUnavailableError.not_installed("pypdfium2", "pdf") from error
    for password in (None, *passwords):
        try:
            return pypdfium2.PdfDocument(path, password=password), password
        except pypdfium2.PdfiumError as error:
            if error.err_code != FPDF_ERR_PASSWORD:
                raise _unreadable(path) from error
    tried = f"none of the {len(passwords)} known passwords opens it" if passwords else "no password is known"
    raise PdfPasswordError(
        f"{path.name} is encrypted, and {tried}.",
        remedy="Name its password in MK_PDF__PASSWORDS, or submit a copy without one.",
        path=str(path),
    )


def limit_error(path: Path, limit: str, what: str) -> PdfLimitError:
    """The error of a file that is beyond a limit, named as its setting is."""
    return PdfLimitError(
        f"{path.name} {what}.", remedy=f"If the file is right, raise MK_PDF__{limit.upper()}.", path=str(path), limit=limit
    )


def memory_error(path: Path, limits: PdfLimits) -> PdfLimitError:
    """The error of a file for which the memory does not suffice."""
    allowed = limits.max_memory_bytes // MEBIBYTE
    return limit_error(path, "max_memory_mb", f"needs more than {allowed} MiB of memory to be read")


def _check_bytes(path: Path, limits: PdfLimits) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise PayloadUnreadableError(
            f"{path.name} cannot be read: {error.strerror}.", remedy="Correct the path or its permissions.", path=str(path)
        ) from error
    if size == 0:
        raise EmptyPayloadError(f"{path.name} has no bytes.", remedy=_FETCH_AGAIN, path=str(path))
    if size > limits.max_bytes:
        raise limit_error(
            path, "max_bytes", f"has {size / MEBIBYTE:.0f} MiB; at most {limits.max_bytes / MEBIBYTE:.0f} MiB are read"
        )
    if b"%PDF-" not in head:
        raise PdfUnreadableError(f"{path.name} is no PDF: {_what_else(head)}.", remedy=_FETCH_AGAIN, path=str(path))


def _what_else(head: bytes) -> str:
    """What a file is that is no PDF."""
    if not _MARKUP.match(head):
        return f"it begins with {head[:16]!r}"
    title = _MARKUP_TITLE.search(head)
    said = " ".join(title.group(1).decode("utf-8", "replace").split()) if title else ""
    return f"it is a web page, titled {said!r}" if said else "it is a web page"


def _unreadable(path: Path) -> PdfUnreadableError:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        is_whole = b"%%EOF" in file.read()
    why = "its structure is broken" if is_whole else "it is cut off, for its end is missing"
    return PdfUnreadableError(f"{path.name} cannot be opened: {why}.", remedy=_FETCH_AGAIN, path=str(path))


def _check_sizes(path: Path, document: PdfDocument, limits: PdfLimits) -> None:
    """Pages that are broken are left to the engine, which says so and reads the others."""
    from pypdfium2 import PdfiumError

    for number in range(len(document)):
        try:
            width, height = document.get_page_size(number)
        except PdfiumError:
            continue
        if max(width, height) > limits.max_page_points:
            raise limit_error(
                path,
                "max_page_points",
                f"has a page {number + 1} of {width:.0f} x {height:.0f} points; at most {limits.max_page_points:.0f} are read",
            )
