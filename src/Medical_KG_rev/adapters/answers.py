"""What a remote answer means when it is not the one hoped for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any

import msgspec

from Medical_KG_rev.errors import (
    RateLimitedError,
    RecordNotFoundError,
    RemoteError,
    RemoteTimeoutError,
    RemoteUnavailableError,
    RequestRejectedError,
    UnexpectedContentError,
)

BODY_START = 300
"""Characters of a body that an error quotes."""

_TELLING = re.compile(r"<(errMsg|error|title|message)\b[^>]*>(.{1,1000}?)</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]{0,1000}>")


def reason(body: bytes) -> str:
    """What a body says about the error: the message of JSON, XML or HTML, else the start of the text."""
    text = body.decode("utf-8", "replace").strip()
    if text.startswith("{"):
        try:
            return _json_reason(msgspec.json.decode(body)) or _short(text)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return _short(text)
    if text.startswith("<"):
        telling = _TELLING.search(text)
        return _short(unescape(_TAG.sub(" ", telling[2] if telling else text)))
    return _short(text)


def _json_reason(value: dict[str, Any]) -> str:
    error = value.get("error")
    if isinstance(error, dict):
        return _short(str(error.get("message", error)))
    told = [part for part in (error, value.get("message"), value.get("errMsg")) if isinstance(part, str)]
    return _short(": ".join(dict.fromkeys(part.rstrip(".") for part in told)))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= BODY_START else f"{text[:BODY_START]}…"


def retry_after_seconds(headers: Mapping[str, str], body: bytes, now: datetime) -> float | None:
    """How long the remote asks to wait: ``Retry-After`` (seconds or an HTTP date), or OpenAlex's ``retryAfter`` if longer.

    OpenAlex sends a header of one second beside a body that says when the day's budget is renewed.
    """
    asked = [_header_seconds(headers.get("retry-after", ""), now), _body_seconds(body)]
    return max((seconds for seconds in asked if seconds is not None), default=None)


def _header_seconds(value: str, now: datetime) -> float | None:
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _body_seconds(body: bytes) -> float | None:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    seconds = value.get("retryAfter") if isinstance(value, dict) else None
    return float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < 1e9 else None


def status_error(name: str, url: str, status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> RemoteError:
    """The error of an answer with a status that is neither success nor redirect."""
    said = reason(body) or "(empty body)"
    message = f"{name}: {url} answered {status}: {said}"
    subject: dict[str, Any] = {
        "source": name,
        "url": url,
        "status": status,
        "body": _short(body[:4096].decode("utf-8", "replace")),
    }
    if status in (404, 410):
        return RecordNotFoundError(message, **subject)
    if status == 429:
        wait = retry_after_seconds(headers, body, now)
        return RateLimitedError(message, remedy="Try again later.", retry_after_seconds=wait, **subject)
    if status == 408:
        return RemoteTimeoutError(message, remedy="Try again later.", **subject)
    if status >= 500:
        wait = retry_after_seconds(headers, body, now)
        return RemoteUnavailableError(message, remedy="Try again later.", retry_after_seconds=wait, **subject)
    if status >= 400:
        return RequestRejectedError(message, remedy="Check the query and the identifiers.", **subject)
    return UnexpectedContentError(message, **subject)
