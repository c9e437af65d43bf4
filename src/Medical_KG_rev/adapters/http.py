"""The one way to the outside: GET requests of a source, bounded in time and size, with precise errors.

A body that breaks off before its stated end is a lost connection, and so transient. A body that arrives whole but is not
what was asked for (HTML for JSON, broken JSON) is terminal: asked again at once, the remote would say the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import httpx
import msgspec

from Medical_KG_rev import __version__
from Medical_KG_rev.adapters import addresses
from Medical_KG_rev.adapters.answers import reason, status_error
from Medical_KG_rev.errors import (
    AddressRefusedError,
    RemoteTimeoutError,
    RemoteUnavailableError,
    ResponseTooLargeError,
    UnexpectedContentError,
)
from Medical_KG_rev.models import Caller
from Medical_KG_rev.settings import RemoteSource

T = TypeVar("T")
MAX_REDIRECTS = 5
ERROR_BODY_BYTES = 64 * 1024
"""Of a body that only explains an error, no more is read."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PRIVATE_PARAMETERS = frozenset({"mailto", "email", "api_key"})


class SourceClient:
    """Requests to one source.

    Every request goes through ``caller`` once; each of its attempts is one GET with the redirects that it leads to. Redirects
    stay on the base URL's own origin or lead over https to a public address, which is then the one connected to.
    ``authorization`` is a header for the own origin alone.
    """

    def __init__(
        self,
        name: str,
        source: RemoteSource,
        caller: Caller,
        *,
        contact_email: str = "",
        authorization: str = "",
        allow_private_addresses: bool = False,
        resolve: addresses.Resolve = addresses.resolve,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self.now = now
        self._source = source
        self._base = httpx.URL(str(source.base_url).rstrip("/"))
        self._caller = caller
        self._own_headers = {"Authorization": authorization} if authorization else {}
        self._allow_private_addresses = allow_private_addresses
        self._resolve = resolve
        self._clock = clock
        contact = f" (mailto:{contact_email})" if contact_email else ""
        self._client = httpx.Client(
            timeout=source.timeout_seconds,
            headers={"User-Agent": f"medical-kg-rev/{__version__}{contact}"},
            follow_redirects=False,
        )

    def get(self, path: str, params: Mapping[str, str] | None = None, *, expect: Literal["json", "xml"] = "json") -> bytes:
        """The body that the source answers with.

        Args:
            path: below the base URL, already percent-encoded.
            params: query parameters, not encoded.
            expect: refuses a body that does not even begin like this.

        Raises:
            RemoteError: its class says what went wrong.
        """
        url = httpx.URL(f"{self._base}{path}", params=dict(params or {}))
        body = self._caller.call(lambda: self._attempt(url))
        begins = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if begins not in ((b"{", b"[") if expect == "json" else (b"<",)):
            what = "an empty body" if not begins else "HTML or XML" if begins == b"<" else "something else"
            raise self._unexpected(url, f"answered with {what} instead of {expect.upper()}: {reason(body[:4096])}", body)
        return body

    def get_json(self, path: str, params: Mapping[str, str] | None, decoder: msgspec.json.Decoder[T]) -> T:
        """The answer, decoded. Raises UnexpectedContentError where it is broken JSON or has another shape."""
        body = self.get(path, params)
        try:
            return decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            url = httpx.URL(f"{self._base}{path}", params=dict(params or {}))
            said = f" ({reason(body)})" if len(body) <= ERROR_BODY_BYTES else ""
            raise self._unexpected(url, f"answered with JSON that cannot be read: {error}{said}", body) from None

    def close(self) -> None:
        self._client.close()

    def _attempt(self, url: httpx.URL) -> bytes:
        ends_at = self._clock() + self._source.timeout_seconds
        target, request = url, self._client.build_request("GET", url, headers=self._own_headers)
        for _ in range(MAX_REDIRECTS + 1):
            status, headers, body = self._send(request, target, ends_at)
            if 200 <= status < 300:
                return body
            if status not in _REDIRECTS:
                raise status_error(self.name, shown(target), status, headers, body, self.now())
            target = self._redirect_target(target, headers.get("location", ""), body)
            request = self._redirected(target)
        raise self._unexpected(url, f"redirects more than {MAX_REDIRECTS} times", b"")

    def _send(self, request: httpx.Request, url: httpx.URL, ends_at: float) -> tuple[int, Mapping[str, str], bytes]:
        try:
            response = self._client.send(request, stream=True)
            try:
                limit = self._source.max_response_bytes
                partial = not 200 <= response.status_code < 300
                body = self._read(response, url, ends_at, min(limit, ERROR_BODY_BYTES) if partial else limit, partial)
                return response.status_code, response.headers, body
            finally:
                response.close()
        except httpx.TimeoutException as error:
            raise self._timed_out(url) from error
        except httpx.DecodingError as error:
            raise self._unexpected(url, f"answered with a damaged encoding: {error}", b"") from error
        except httpx.TransportError as error:
            raise RemoteUnavailableError(
                f"{self.name}: {shown(url)} cannot be reached: {error or type(error).__name__}.",
                remedy="Check the connection and the base URL, then run the same command again.",
                source=self.name,
                url=shown(url),
            ) from error

    def _read(self, response: httpx.Response, url: httpx.URL, ends_at: float, limit: int, partial: bool) -> bytes:
        """The body up to ``limit`` bytes; more is an error, unless part of it is enough."""
        body = bytearray()
        for chunk in response.iter_bytes():  # as it arrives: a fixed chunk size would wait for a body that drips
            body += chunk
            if len(body) > limit:
                if partial:
                    break
                raise ResponseTooLargeError(
                    f"{self.name}: {shown(url)} answered with more than {limit} bytes.",
                    remedy="Raise the source's max_response_bytes, or lower its page_size.",
                    source=self.name,
                    url=shown(url),
                )
            if self._clock() > ends_at:
                raise self._timed_out(url)
        return bytes(body[:limit])

    def _redirect_target(self, url: httpx.URL, location: str, body: bytes) -> httpx.URL:
        try:
            target = url.join(location) if location else None
        except httpx.InvalidURL:
            target = None
        if target is None or not target.host:
            raise self._unexpected(url, "redirects to nowhere", body)
        if _origin(target) == _origin(self._base):
            return target
        if target.scheme != "https" or target.userinfo:
            raise self._refused(url, target, "it leaves the source's own host without https")
        return target

    def _redirected(self, target: httpx.URL) -> httpx.Request:
        """The request of a redirect: to a foreign host, without a key, to the address that was found to be public."""
        if _origin(target) == _origin(self._base):
            return self._client.build_request("GET", target, headers=self._own_headers)
        if self._allow_private_addresses:
            return self._client.build_request("GET", target)
        try:
            found = addresses.public_addresses(target.host, target.port or 443, self._resolve)
        except OSError as error:
            raise RemoteUnavailableError(
                f"{self.name}: the redirect to {target.host} cannot be followed: {error}.", source=self.name, url=shown(target)
            ) from error
        except ValueError as error:
            raise self._refused(self._base, target, str(error)) from None
        return addresses.pinned_request(self._client, target, found[0])

    def _refused(self, url: httpx.URL, target: httpx.URL, why: str) -> AddressRefusedError:
        return AddressRefusedError(
            f"{self.name}: the redirect from {shown(url)} to {shown(target)} is refused: {why}.",
            source=self.name,
            url=shown(target),
        )

    def _timed_out(self, url: httpx.URL) -> RemoteTimeoutError:
        seconds = self._source.timeout_seconds
        return RemoteTimeoutError(
            f"{self.name}: {shown(url)} did not answer within {seconds:g} s.",
            remedy="Try again later, or raise the source's timeout_seconds.",
            source=self.name,
            url=shown(url),
        )

    def _unexpected(self, url: httpx.URL, what: str, body: bytes) -> UnexpectedContentError:
        start: dict[str, Any] = {"body": body[:300].decode("utf-8", "replace")} if body else {}
        return UnexpectedContentError(f"{self.name}: {shown(url)} {what}.", source=self.name, url=shown(url), **start)


def shown(url: httpx.URL) -> str:
    """A URL for messages: without user, password, contact address and keys."""
    kept = [(name, value) for name, value in url.params.multi_items() if name not in _PRIVATE_PARAMETERS]
    return str(url.copy_with(userinfo=b"", params=kept))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme)
