"""From a payload's bytes to a :class:`Study`, refusing what is not a v2 study and saying what to use instead."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from Medical_KG_rev.errors import MalformedPayloadError, MissingIdentifierError, UnsupportedFormatError
from Medical_KG_rev.models import RawPayload
from Medical_KG_rev.parsing.ctgov.results_schema import Study
from Medical_KG_rev.parsing.json_record import decode_record

_NCT_ID = re.compile(r"NCT[0-9]{8}")
_RETIRED = ("FullStudiesResponse", "StudyFieldsResponse", "FullStudies", "Study", "ProtocolSection")
_REMEDY_V2 = "Fetch the study again from API v2: https://clinicaltrials.gov/api/v2/studies/<NCT id>."


class _Envelope(msgspec.Struct, frozen=True):
    """The outermost keys by which a retired or enclosing format is known."""

    FullStudiesResponse: Any = None
    StudyFieldsResponse: Any = None
    FullStudies: Any = None
    Study: Any = None
    ProtocolSection: Any = None
    studies: Any = None


def decode_study(payload: RawPayload) -> Study:
    """The study of a payload; it has an NCT id, everything else may be missing.

    Raises:
        UnsupportedFormatError: the retired v1 JSON, or a page of studies.
        MissingIdentifierError: no NCT id.
        MalformedPayloadError: broken JSON (line, column) or a value of the wrong type (its path).
        HostileContentError: nested too deeply.
    """
    study = decode_record(payload, msgspec.json.Decoder(Study), "a ClinicalTrials.gov v2 study")
    nct_id = study.protocol_section.identification_module.nct_id.strip()
    if not nct_id:
        raise _nameless(payload)
    if not _NCT_ID.fullmatch(nct_id):
        raise MalformedPayloadError(
            f"{payload.source_id}: {nct_id[:40]!r} is not an NCT id (NCT and eight digits).", source_id=payload.source_id
        )
    return study


def _nameless(payload: RawPayload) -> MissingIdentifierError | UnsupportedFormatError:
    """Why there is no NCT id where v2 has it."""
    envelope = decode_record(payload, msgspec.json.Decoder(_Envelope), "a ClinicalTrials.gov v2 study")
    retired = next((key for key in _RETIRED if getattr(envelope, key) is not None), None)
    if retired:
        return UnsupportedFormatError(
            f"{payload.source_id}: this is a study in the retired ClinicalTrials.gov API v1 format (`{retired}`).",
            remedy=_REMEDY_V2,
            source_id=payload.source_id,
        )
    if envelope.studies is not None:
        return UnsupportedFormatError(
            f"{payload.source_id}: this is a page of studies, not one study.",
            remedy="Submit each entry of `studies` as a payload of its own.",
            source_id=payload.source_id,
        )
    return MissingIdentifierError(
        f"{payload.source_id}: the study has no protocolSection.identificationModule.nctId.",
        remedy=_REMEDY_V2,
        source_id=payload.source_id,
    )
