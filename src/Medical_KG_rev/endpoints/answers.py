"""What a model endpoint's failures mean, in this project's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from Medical_KG_rev.errors import (
    GpuNotAvailableError,
    GpuOutOfMemoryError,
    MedicalKGError,
    RateLimitedError,
    RemoteTimeoutError,
    RemoteUnavailableError,
    RequestRejectedError,
)
from Medical_KG_rev.failures import recognise_gpu_fault

if TYPE_CHECKING:
    from openai import OpenAIError

__all__ = ["error_for_status", "translate"]

_SERVER_ERROR = 500
_TOO_MANY_REQUESTS = 429
_REQUEST_TIMEOUT = 408
_BODY_CHARACTERS = 300


def error_for_status(
    status: int, body: str, endpoint: str, *, retry_after: str | None = None, section: str = "EMBEDDING"
) -> MedicalKGError:
    """The error for an answer that is not 200; a GPU's absence or full memory is read from the body.

    ``section`` of the settings says what the endpoint is: ``EMBEDDING``, ``SPARSE`` or ``LLM``.
    """
    start, fault = body[:_BODY_CHARACTERS], recognise_gpu_fault(body, status)
    subject: dict[str, Any] = {"endpoint": endpoint, "status": status, "body": start}
    if fault is GpuNotAvailableError:
        return GpuNotAvailableError(
            f"{endpoint} has no GPU: {start}",
            remedy="Start the server on a machine with a GPU, or choose a local model.",
            **subject,
        )
    if fault is GpuOutOfMemoryError:
        return GpuOutOfMemoryError(
            f"The GPU of {endpoint} is out of memory: {start}", remedy=f"Lower MK_{section}__REQUEST_SIZE.", **subject
        )
    if status == _TOO_MANY_REQUESTS:
        return RateLimitedError(f"{endpoint} limits the rate.", retry_after_seconds=_seconds(retry_after), **subject)
    if status == _REQUEST_TIMEOUT:
        return RemoteTimeoutError(f"{endpoint} gave up waiting.", **subject)
    if status >= _SERVER_ERROR:
        return RemoteUnavailableError(f"{endpoint} answered {status}: {start}", **subject)
    return RequestRejectedError(f"{endpoint} refused the request with {status}: {start}", **subject)


def translate(error: OpenAIError, endpoint: str, section: str = "EMBEDDING") -> MedicalKGError:
    """This project's error for one of the OpenAI client's."""
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    if isinstance(error.__cause__, MedicalKGError):
        return error.__cause__
    if isinstance(error, APITimeoutError):
        return RemoteTimeoutError(f"{endpoint} did not answer in time.", endpoint=endpoint)
    if isinstance(error, APIConnectionError):
        return RemoteUnavailableError(f"{endpoint} cannot be reached: {error.__cause__ or error}.", endpoint=endpoint)
    if isinstance(error, APIStatusError):
        response = error.response
        retry_after = response.headers.get("retry-after")
        return error_for_status(response.status_code, response.text, endpoint, retry_after=retry_after, section=section)
    return RequestRejectedError(f"{endpoint}: {error}", endpoint=endpoint)


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds; None where it is absent or a date."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
