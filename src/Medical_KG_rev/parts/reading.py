"""What reads PDFs, and the token under which a process holds what it works on."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from Medical_KG_rev.errors import MedicalKGError
from Medical_KG_rev.parts.components import ComponentParts

if TYPE_CHECKING:
    from Medical_KG_rev.orchestration.events.pdf_messages import PdfMessages
    from Medical_KG_rev.orchestration.ledger.workers import WorkerRegistration
    from Medical_KG_rev.parsing.pdf.port import PdfEngine
    from Medical_KG_rev.pdf_reading import PdfReader


class ReadingParts(ComponentParts):
    """The reader of PDFs of one process, and that process's token."""

    @cached_property
    def registration(self) -> WorkerRegistration:
        """This process's run token."""
        from Medical_KG_rev.orchestration.ledger.workers import WorkerRegistration

        return WorkerRegistration(self.ledger, self.data_dir / "workers", f"w{secrets.token_hex(8)}", time.time())

    @cached_property
    def pdf_engine(self) -> PdfEngine:
        """Reads PDFs, as the settings say: on this machine, or on a server."""
        from Medical_KG_rev.parsing.pdf.engines import open_pdf_engine

        return open_pdf_engine(self.settings, self.caller_for)

    def pdf_reader(self, tell: Callable[[dict[str, Any]], None]) -> PdfReader:
        """Reads the files of the queue under this process's token."""
        from Medical_KG_rev.pdf_reading import PdfReader

        return PdfReader(
            self.ledger,
            self.store,
            self.pdf_engine,
            worker=self.registration.token,
            lease_seconds=self.settings.queue.lease_seconds,
            metrics=self.metrics,
            tell=tell,
        )

    def pdf_messages(self) -> PdfMessages | None:
        """Hears of files that wait, to be closed; None where events go to a log, and the table alone is looked at."""
        from Medical_KG_rev.orchestration.events.places import KafkaTopic

        place = self.event_place
        if not isinstance(place, KafkaTopic):
            return None
        from Medical_KG_rev.orchestration.events.pdf_messages import PdfMessages

        return PdfMessages(replace(place, name=self.settings.events.pdf_queue_topic))

    def pdf_document_key(self, doc_id: str, stored: Mapping[str, Any]) -> str | None:
        """The key of the document that the engine makes of a stored PDF; None where the engine cannot be asked what it is."""
        from Medical_KG_rev.pdf_reading import document_key

        try:
            return document_key(self.pdf_engine.fingerprint, doc_id, stored)
        except MedicalKGError:
            return None  # the file goes to the queue, and its reader says what is wrong with the engine

    def stop_reading_pdfs(self) -> None:
        """Ends the reading of a file in another thread, which gives it back."""
        engine = self.__dict__.pop("pdf_engine", None)
        if engine is not None:
            engine.close()
