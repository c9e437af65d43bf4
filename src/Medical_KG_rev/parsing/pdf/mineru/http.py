"""Requests to a MinerU server: bounded in time and size, under the policy of its caller, with precise errors."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec

from Medical_KG_rev.errors import RemoteTimeoutError, RemoteUnavailableError, ResponseTooLargeError, UnexpectedContentError
from Medical_KG_rev.models import Caller
from Medical_KG_rev.parsing.pdf.mineru.answers import status_error
from Medical_KG_rev.settings_mineru import MineruSettings

__all__ = ["Answer", "MineruHttp"]

STATUS_BYTES = 1024 * 1024
"""Of an answer that is no result, no more is read."""
CONNECT_SECONDS = 10.0
_BLOCK_BYTES = 1024 * 1024
_OK = frozenset({200})


class Answer(msgspec.Struct, frozen=True):
    """``headers`` by their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class MineruHttp:
    """One server. Every request goes through ``caller`` once, which may make it several times.

    Any number of threads may ask at once. Redirects are not followed, and proxies of the environment not used: a PDF engine is
    a server of one's own.
    """

    def __init__(
        self, settings: MineruSettings, caller: Caller | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.endpoint = settings.url.rstrip("/")
        self._settings = settings
        self._caller = caller
        self._clock = clock
        key = settings.api_key.get_secret_value()
        self._client = httpx.Client(
            timeout=httpx.Timeout(settings.timeout_seconds, connect=min(CONNECT_SECONDS, settings.timeout_seconds)),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            verify=ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else True,
            trust_env=False,
        )

    def get(self, path: str, *, accept: frozenset[int] = _OK, params: Mapping[str, Any] | None = None) -> Answer:
        """The answer to a GET request.

        Raises:
            RemoteError: its class says what went wrong; :func:`status_error` for a status that is not in ``accept``.
        """
        return self._call(lambda: self._send(self._client.build_request("GET", self._url(path), params=params), accept))

    def delete(self, path: str, *, accept: frozenset[int] = _OK) -> Answer:
        """The answer to a DELETE request. Raises as :meth:`get` does."""
        return self._call(lambda: self._send(self._client.build_request("DELETE", self._url(path)), accept))

    def upload(self, path: str, file: Path, params: Mapping[str, Any], *, accept: frozenset[int] = _OK) -> Answer:
        """Sends a file as the body of a POST request; it is read anew for each attempt. Raises as :meth:`get` does."""

        def attempt() -> Answer:
            with file.open("rb") as content:
                headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
                blocks = iter(lambda: content.read(_BLOCK_BYTES), b"")
                request = self._client.build_request("POST", self._url(path), params=params, content=blocks, headers=headers)
                return self._send(request, accept)

        return self._call(attempt)

    def upload_form(
        self, path: str, file: Path, name: str, fields: Mapping[str, str | Sequence[str]], *, accept: frozenset[int] = _OK
    ) -> Answer:
        """Sends a file as ``files`` of a form. Raises as :meth:`get` does."""

        def attempt() -> Answer:
            with ExitStack() as stack:
                content = stack.enter_context(file.open("rb"))
                form = {"files": (name, content, "application/pdf")}
                request = self._client.build_request("POST", self._url(path), data=dict(fields), files=form)
                return self._send(request, accept)

        return self._call(attempt)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _url(self, path: str) -> str:
        return f"{self.endpoint}{path}"

    def _call(self, attempt: Callable[[], Answer]) -> Answer:
        return attempt() if self._caller is None else self._caller.call(attempt)

    def _send(self, request: httpx.Request, accept: frozenset[int]) -> Answer:
        ends_at = self._clock() + self._settings.timeout_seconds
        try:
            response = self._client.send(request, stream=True)
            try:
                is_wanted = response.status_code in accept
                limit = self._settings.max_answer_bytes if is_wanted else STATUS_BYTES
                body = self._read(response, ends_at, limit, cut=not is_wanted)
            finally:
                response.close()
        except httpx.TimeoutException as error:
            raise self._timed_out() from error
        except httpx.DecodingError as error:
            raise UnexpectedContentError(
                f"MinerU at {self.endpoint} answered with a damaged encoding: {error}.", endpoint=self.endpoint
            ) from error
        except httpx.TransportError as error:
            raise RemoteUnavailableError(
                f"MinerU at {self.endpoint} cannot be reached: {str(error) or type(error).__name__}.",
                remedy="Start it, or correct MK_MINERU__URL.",
                endpoint=self.endpoint,
            ) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        if not is_wanted:
            raise status_error(response.status_code, headers, body, self.endpoint)
        return Answer(response.status_code, headers, body)

    def _read(self, response: httpx.Response, ends_at: float, limit: int, *, cut: bool) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > limit:
                if cut:
                    break
                raise ResponseTooLargeError(
                    f"MinerU at {self.endpoint} answered with more than {limit} bytes.",
                    remedy="Raise MK_MINERU__MAX_ANSWER_BYTES if that is right.",
                    endpoint=self.endpoint,
                )
            if self._clock() > ends_at:
                raise self._timed_out()
        return bytes(body[:limit])

    def _timed_out(self) -> RemoteTimeoutError:
        seconds = self._settings.timeout_seconds
        return RemoteTimeoutError(
            f"MinerU at {self.endpoint} did not answer within {seconds:g} s.",
            remedy="Raise MK_MINERU__TIMEOUT_SECONDS if it is merely slow.",
            endpoint=self.endpoint,
        )
