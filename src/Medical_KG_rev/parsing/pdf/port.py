"""The port behind which PDFs are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from Medical_KG_rev.parsing.pdf.layout import PdfLayout


class PdfEngine(Protocol):
    """Reads PDFs. ``testing.pdf`` holds the conformance kit that every engine passes.

    Attributes:
        name: ``local``, ``mineru``, …; part of every document's metadata.
        version: of the engine, with that of what it stands on.
        fingerprint: changes whenever the same bytes would give another layout: name, version and options. Part of the key
            under which a parse is kept. An engine on a server asks for its version once: both may raise TransientError.
    """

    name: str

    @property
    def version(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def read(self, path: Path, *, password: str | None = None, progress: Callable[[int, int], None] | None = None) -> PdfLayout:
        """The layout of the file. ``progress`` is told pages done and pages in all, now and then.

        Raises:
            PayloadError: the file cannot be read, and why; it will not be readable later either.
            TransientError: the engine is away, or busy.
            WorkerStoppedError: the engine was closed meanwhile.
            RemoteError: terminal; its server refuses, or answers with nonsense.
        """
        ...

    def close(self) -> None:
        """Ends what the engine holds."""
        ...
