"""Requests to URLs that others wrote: every hop is looked at before it is made."""

from __future__ import annotations

import socket
import ssl
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import httpx

from Medical_KG_rev.adapters import addresses
from Medical_KG_rev.adapters.answers import status_error
from Medical_KG_rev.adapters.http import shown
from Medical_KG_rev.errors import (
    AddressRefusedError,
    RecordNotFoundError,
    RemoteError,
    RemoteTimeoutError,
    RemoteUnavailableError,
    UnexpectedContentError,
)

MAX_REDIRECTS = 10
"""From a DOI to a publisher's file it takes several."""
ERROR_BODY_BYTES = 16 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}


class Hops:
    """GET requests with redirects, to public addresses only, and to the very address that was looked at.

    Args:
        source: whose record names the URLs; for messages.
        allow_http: takes `http:` addresses as they are; else they are asked for over TLS.
        allow_private: takes private addresses too.
    """

    def __init__(
        self,
        client: httpx.Client,
        source: str,
        *,
        allow_http: bool = False,
        allow_private: bool = False,
        resolve: addresses.Resolve = addresses.resolve,
    ) -> None:
        self.source = source
        self._client = client
        self._schemes = ("http", "https") if allow_http else ("https",)
        self._allow_private = allow_private
        self._resolve = resolve
        self._host = ""
        self._failures: Counter[str] = Counter()
        """Connections to each host that failed: the next one goes to another of its addresses."""

    def open(self, url: str, headers: Mapping[str, str]) -> tuple[httpx.Response, httpx.URL]:
        """The answer at the end of all redirects, its body unread, and where it came from; of status 200, 206 or 416.

        Raises:
            AddressRefusedError: a hop leads to a private address, or elsewhere than http(s), or its certificate is not valid.
            UnexpectedContentError: redirects that do not end.
            RemoteError: as any answer of another status, or none.
        """
        target = self._admitted(url)
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(target, headers)
            if response.status_code in _REDIRECTS:
                response.close()
                target = self._admitted(response.headers.get("location", ""), target)
            elif response.status_code in (200, 206, 416):
                return response, target
            else:
                raise self._refusal(response, target)
        raise UnexpectedContentError(
            f"{self.source}: {shown(target)} redirects more than {MAX_REDIRECTS} times.", source=self.source, url=shown(target)
        )

    def failure(self, url: httpx.URL, error: httpx.TransportError) -> RemoteError:
        """What a broken connection means."""
        subject = {"source": self.source, "url": shown(url)}
        if isinstance(error, httpx.TimeoutException):
            return RemoteTimeoutError(f"{self.source}: {shown(url)} does not answer.", remedy="Try again later.", **subject)
        if _is_untrusted(error):
            return AddressRefusedError(f"{self.source}: {shown(url)} has no valid certificate: {error}.", **subject)
        return RemoteUnavailableError(
            f"{self.source}: {shown(url)} cannot be reached: {error or type(error).__name__}.",
            remedy="Try again later.",
            **subject,
        )

    def _admitted(self, location: str, base: httpx.URL | None = None) -> httpx.URL:
        try:
            url = base.join(location) if base is not None and location else httpx.URL(location)
        except httpx.InvalidURL:
            url = httpx.URL("")
        if url.scheme == "http" and "http" not in self._schemes and url.port is None:
            url = url.copy_with(scheme="https")
        if not url.host or url.scheme not in self._schemes or url.userinfo:
            wanted = " or ".join(self._schemes)
            raise self._refused(url, f"{location[:200]!r} is no {wanted} address without user and password")
        return url

    def _send(self, url: httpx.URL, headers: Mapping[str, str]) -> httpx.Response:
        found = self._addresses(url)
        if url.host != self._host:  # cookies are kept by address, which may be that of many hosts
            self._client.cookies.clear()
            self._host = url.host
        address = found[self._failures[url.host] % len(found)]
        try:
            return self._client.send(addresses.pinned_request(self._client, url, address, headers), stream=True)
        except httpx.TransportError as error:
            self._failures[url.host] += 1
            raise self.failure(url, error) from error

    def _addresses(self, url: httpx.URL) -> list[str]:
        port = url.port or _PORTS[url.scheme]
        try:
            if self._allow_private:
                return self._resolve(url.host, port)
            return addresses.public_addresses(url.host, port, self._resolve)
        except ValueError as error:
            raise self._refused(url, str(error)) from None
        except OSError as error:
            said = f"{self.source}: {url.host} has no address: {error}."
            absent = isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
            kind = RecordNotFoundError if absent else RemoteUnavailableError
            raise kind(said, source=self.source, url=shown(url)) from error

    def _refusal(self, response: httpx.Response, url: httpx.URL) -> RemoteError:
        body = b""
        with suppress(httpx.TransportError, httpx.DecodingError):  # what the body would have said is lost; the status is not
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) >= ERROR_BODY_BYTES:
                    break
        response.close()
        return status_error(self.source, shown(url), response.status_code, response.headers, body, datetime.now(UTC))

    def _refused(self, url: httpx.URL, why: str) -> AddressRefusedError:
        return AddressRefusedError(f"{self.source}: {shown(url)} is refused: {why}.", source=self.source, url=shown(url))


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
