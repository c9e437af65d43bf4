"""Reads one JSON record of a source into its typed shape, with errors that say where the fault is."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from Medical_KG_rev.errors import EmptyPayloadError, HostileContentError, MalformedPayloadError
from Medical_KG_rev.models import RawPayload

T = TypeVar("T")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def decode_record(payload: RawPayload, decoder: msgspec.json.Decoder[T], what: str) -> T:
    """The record that the payload holds; ``what`` names it in messages ("a ClinicalTrials.gov study").

    Fields that are null read as absent. Where a key occurs twice, the last one counts.

    Raises:
        EmptyPayloadError: there is nothing in it.
        MalformedPayloadError: not JSON (with line and column), or not of the source's shape (with the path).
        HostileContentError: nested deeper than the reader follows.
    """
    content = payload.content.removeprefix(_BYTE_ORDER_MARK)
    if not content.strip():
        raise EmptyPayloadError(f"{payload.source_id}: the payload is empty.", source_id=payload.source_id)
    try:
        return decoder.decode(content)
    except msgspec.ValidationError as error:
        return _without_nulls(payload, content, decoder, what, error)
    except msgspec.DecodeError as error:
        raise _not_json(payload, content, error) from error
    except UnicodeDecodeError as error:
        raise MalformedPayloadError(
            f"{payload.source_id}: the JSON is not valid UTF-8.",
            remedy="Save it as UTF-8.",
            source_id=payload.source_id,
        ) from error
    except RecursionError as error:
        raise HostileContentError(
            f"{payload.source_id}: the JSON is nested too deeply to be {what}.", source_id=payload.source_id
        ) from error


def _without_nulls(
    payload: RawPayload, content: bytes, decoder: msgspec.json.Decoder[T], what: str, fault: msgspec.ValidationError
) -> T:
    """A second reading for records whose tool wrote null where the source leaves the key out."""
    try:
        return msgspec.convert(_prune(msgspec.json.decode(content)), decoder.type)
    except msgspec.ValidationError as error:
        raise MalformedPayloadError(
            f"{payload.source_id}: the JSON is not {what}: {error}.",
            remedy="Check the value at the path named; `$` is the record itself.",
            source_id=payload.source_id,
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedPayloadError(
            f"{payload.source_id}: the JSON is not {what}: {fault}.", source_id=payload.source_id
        ) from fault


def _prune(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _prune(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_prune(item) for item in value if item is not None]
    return value


def _not_json(payload: RawPayload, content: bytes, error: msgspec.DecodeError) -> MalformedPayloadError:
    """The message of the decoder, with its byte offset as line and column."""
    message, _, offset = str(error).rpartition(" (byte ")
    position = int(offset.rstrip(")")) if message and offset.rstrip(")").isdigit() else len(content)
    before = content[:position]
    line = before.count(b"\n") + 1
    column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
    return MalformedPayloadError(
        f"{payload.source_id}: {message or error} at line {line}, column {column}.",
        remedy="Fetch or export the record again.",
        source_id=payload.source_id,
        line=line,
        column=column,
    )
