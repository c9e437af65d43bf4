"""What a MinerU server's answers mean when they are not the ones hoped for, in this project's errors.

::

    4.x    {"error": {"type", "code", "message", "param"}}
    3.x    {"detail": "…"}, or the status of a task with "error": "…"
    2.x    {"error": "…"}, {"detail": "…"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from Medical_KG_rev.errors import (
    GpuNotAvailableError,
    GpuOutOfMemoryError,
    MedicalKGError,
    PdfEngineError,
    PdfEngineUnavailableError,
    PdfLimitError,
    PdfPasswordError,
    PdfUnreadableError,
    RateLimitedError,
    RecordNotFoundError,
    RemoteTimeoutError,
    RemoteUnavailableError,
    RequestRejectedError,
    UnexpectedContentError,
)
from Medical_KG_rev.failures import recognise_gpu_fault

__all__ = ["Fault", "decode", "fault_in", "file_error", "status_error"]

T = TypeVar("T")
QUOTED = 300
"""Characters of an answer that an error quotes."""

_AWAY_CODES = frozenset(
    {
        "engine_dead", "engine_unavailable", "model_preload_failed", "no_engine", "parse_server_unavailable", "parse_timeout",
        "remote_timeout", "remote_unreachable", "server_busy", "server_not_running", "server_shutting_down",
        "service_unavailable",
    }
)  # fmt: skip
"""Codes of 4.x under which another attempt may find the server well."""
_TOO_LARGE = "file_too_large"
_SERVER_ERROR = 500


class Fault(msgspec.Struct, frozen=True):
    """What an answer says of a failure: a code (4.x) and words."""

    code: str
    message: str


def fault_in(body: bytes) -> Fault:
    """The failure that a body reports: that of the task or its file where it is a task's status, else the start of the text."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Fault("", _short(body.decode("utf-8", "replace")))
    if not isinstance(value, dict):
        return Fault("", _short(str(value)))
    files = value.get("files")
    told = [entry.get("error") for entry in files if isinstance(entry, dict)] if isinstance(files, list) else []
    for error in (*told, value.get("error"), value.get("detail"), value.get("message")):
        if isinstance(error, dict):
            return Fault(str(error.get("code") or ""), _short(str(error.get("message") or error)))
        if error:
            return Fault("", _short(str(error)))
    return Fault("", _short(str(value.get("status") or value)))


def status_error(status: int, headers: Mapping[str, str], body: bytes, endpoint: str) -> MedicalKGError:
    """The error of an answer with a status that its request does not take."""
    fault = fault_in(body)
    message = f"MinerU at {endpoint} answered {status}: {fault.message or '(empty body)'}"
    subject: dict[str, Any] = {"endpoint": endpoint, "status": status, "engine_code": fault.code}
    if gpu := recognise_gpu_fault(body.decode("utf-8", "replace"), status):
        return gpu(message, remedy=_GPU_REMEDIES[gpu], **subject)
    if status in (401, 403):
        return RequestRejectedError(message, remedy="Set MK_MINERU__API_KEY to a key of that server.", **subject)
    if status == 404:
        return RecordNotFoundError(message, **subject)
    if status == 408:
        return RemoteTimeoutError(message, **subject)
    if status == 429:
        return RateLimitedError(message, retry_after_seconds=_seconds(headers.get("retry-after", "")), **subject)
    if status in (413, 415):
        return PdfEngineError(message, remedy="Raise the server's limit, or read the file with MK_PDF__ENGINE=local.", **subject)
    if fault.code == "quality_tier_unavailable" or 400 <= status < _SERVER_ERROR:
        return RequestRejectedError(message, remedy="Check the settings MK_MINERU__….", **subject)
    if status >= _SERVER_ERROR:
        wait = _seconds(headers.get("retry-after", ""))
        return RemoteUnavailableError(message, remedy="Try again later.", retry_after_seconds=wait, **subject)
    return UnexpectedContentError(message, remedy="Check MK_MINERU__URL; a proxy may answer in its place.", **subject)


def file_error(fault: Fault, endpoint: str) -> MedicalKGError:
    """The error of a task that the server has ended without a result: the file's fault, or the server's."""
    said = fault.message.lower()
    message = f"MinerU at {endpoint} could not read the file: {fault.message or fault.code or 'it does not say why'}"
    subject: dict[str, Any] = {"endpoint": endpoint, "engine_code": fault.code}
    if gpu := recognise_gpu_fault(fault.message, _SERVER_ERROR):
        return gpu(message, remedy=_GPU_REMEDIES[gpu], **subject)
    if fault.code == "file_encrypted" or "incorrect password" in said:
        return PdfPasswordError(message, remedy="Name its password in MK_PDF__PASSWORDS.", **subject)
    if fault.code == "file_corrupted" or "data format error" in said:
        return PdfUnreadableError(message, remedy="Fetch the file again, or take another copy of the article.", **subject)
    if fault.code == _TOO_LARGE:
        return PdfLimitError(message, remedy="Raise the server's limit.", limit="max_bytes", **subject)
    if fault.code in _AWAY_CODES:
        return PdfEngineUnavailableError(message, remedy="Try again later.", **subject)
    return PdfEngineError(message, remedy="Its log says more. MK_PDF__ENGINE=local reads files without MinerU.", **subject)


def decode(body: bytes, kind: type[T], endpoint: str) -> T:
    """JSON of this kind.

    Raises:
        UnexpectedContentError: it is something else.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        start = _short(body[:QUOTED].decode("utf-8", "replace"))
        raise UnexpectedContentError(
            f"MinerU at {endpoint} gave an answer that cannot be read: {error} It begins: {start or '(empty)'}",
            remedy="Check MK_MINERU__URL and MK_MINERU__API; a proxy may answer in its place.",
            endpoint=endpoint,
            body=start,
        ) from error


_GPU_REMEDIES: dict[type[MedicalKGError], str] = {
    GpuNotAvailableError: "Start MinerU on a machine with a GPU, or set MK_MINERU__TIER=flash.",
    GpuOutOfMemoryError: "Give MinerU's GPU more memory, or fewer tasks at once.",
}


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def _seconds(header: str) -> float | None:
    """Retry-After in seconds; None where it is absent or a date."""
    return float(header[:9]) if header.isascii() and header.isdigit() else None
