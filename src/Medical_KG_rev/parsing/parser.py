"""The parse stage: one payload in, one document out, by the payload's format."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Protocol

from Medical_KG_rev.errors import StageContractError, UnsupportedFormatError
from Medical_KG_rev.models import Document, RawPayload, StageContext

_PARSERS = {
    "ctgov-json": ("ctgov", "parse"),
    "jats-xml": ("jats", "parse"),
    "openalex-json": ("openalex", "parse"),
    "record-json": ("plain", "parse_record"),
    "text": ("plain", "parse_text"),
}
FORMATS = tuple(_PARSERS)


class Parse(Protocol):
    """Reads one payload. Raises PayloadError, naming the payload's ``source_id``."""

    def __call__(self, payload: RawPayload, *, parsed_at: datetime) -> Document: ...


class IrParser:
    """Turns payloads into documents. ``clock`` tells when a document was parsed; it must be aware of its time zone.

    ``fingerprint`` changes when any parser's version does.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    @cached_property
    def fingerprint(self) -> str:
        """Names every parser's version."""
        return f"ir-parser({','.join(str(_room(home).VERSION) for home in sorted({home for home, _ in _PARSERS.values()}))})"

    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> Document:
        """The document of the one payload.

        Raises:
            StageContractError: not exactly one payload.
            UnsupportedFormatError: no parser has this format.
            PayloadError: the payload cannot be read; the subclass says why.
            InvalidDocumentError: what was read breaks the rules of the IR.
        """
        if len(payloads) != 1:
            raise StageContractError(
                f"A document is parsed from exactly one payload; {ctx.doc_id or 'this job'} has {len(payloads)}.",
                remedy="Submit one job per record.",
                stage="parse",
                doc_id=ctx.doc_id,
            )
        payload = payloads[0]
        if payload.format not in _PARSERS:
            raise UnsupportedFormatError(
                f"{payload.source_id} has the format {payload.format!r}.",
                remedy=f"Valid formats: {', '.join(FORMATS)}.",
                source_id=payload.source_id,
                path=payload.uri,
                format=payload.format,
                valid=FORMATS,
            )
        home, name = _PARSERS[payload.format]
        parse: Parse = getattr(_room(home), name)
        return parse(payload, parsed_at=self._clock())


def _room(name: str) -> ModuleType:
    """A parser's module, loaded when it is needed: the XML library costs what a search never uses."""
    return import_module(f"Medical_KG_rev.parsing.{name}")
