"""What is done to a file before it is sent: looked at, measured, and opened where it is encrypted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from Medical_KG_rev.errors import EmptyPayloadError, PdfUnreadableError
from Medical_KG_rev.parsing.pdf.inspection import inspect_pdf, open_pdf
from Medical_KG_rev.parsing.pdf.layout import PageSize
from Medical_KG_rev.parsing.pdf.limits import PdfLimits
from Medical_KG_rev.parsing.pdf.mineru.api import Upload

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

__all__ = ["prepared"]

UNKNOWN = PageSize(612.0, 792.0)
"""Of a page that cannot be opened: the size that viewers take."""


def prepared(path: Path, limits: PdfLimits, passwords: Sequence[str], folder: Path) -> Upload:
    """The file as it is sent: without its encryption, since MinerU takes no passwords; a copy of it is put into ``folder``.

    Raises:
        PayloadError: the file is none that can be read; see :func:`inspect_pdf`.
    """
    inspect_pdf(path, limits, passwords)
    document, opened_by = open_pdf(path, passwords)
    try:
        sizes = [_size(document, number) for number in range(len(document))]
        if not sizes:
            raise EmptyPayloadError(f"{path.name} has no pages.", remedy="Take another copy of the article.", path=str(path))
        if opened_by is None:
            return Upload(path, sizes)
        copy = folder / "opened.pdf"
        _save_open(document, copy)
        return Upload(copy, sizes)
    finally:
        document.close()


def _size(document: PdfDocument, number: int) -> PageSize:
    from pypdfium2 import PdfiumError

    try:
        return PageSize(*document.get_page_size(number))
    except PdfiumError:
        return UNKNOWN


def _save_open(document: PdfDocument, target: Path) -> None:
    from pypdfium2 import PdfiumError
    from pypdfium2.raw import FPDF_REMOVE_SECURITY

    try:
        document.save(target, flags=FPDF_REMOVE_SECURITY)
    except PdfiumError as error:
        raise PdfUnreadableError(
            "An encrypted file was opened, but cannot be written without its encryption.",
            remedy="Submit a copy without a password.",
        ) from error
