"""The bytes behind one URL, on their way into a file: resumed where a connection broke, begun anew where they changed."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

import httpx

from Medical_KG_rev.adapters.download.content import HEAD_BYTES, TAIL_BYTES, describe, has_end, is_pdf
from Medical_KG_rev.adapters.download.files import write
from Medical_KG_rev.adapters.download.hops import Hops
from Medical_KG_rev.adapters.http import shown
from Medical_KG_rev.errors import (
    PdfDownloadError,
    RemoteUnavailableError,
    ResponseTooLargeError,
    UnexpectedContentError,
)
from Medical_KG_rev.settings_pdf import DownloadSettings

SLICE_SECONDS = 3.0
"""An attempt ends after so long, well within the time that a policy gives to a request."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(slots=True)
class _Stream:
    """An answer that is being read. ``announced`` is the size of the whole file, where the server says it."""

    response: httpx.Response
    url: httpx.URL
    chunks: Iterator[bytes]
    announced: int | None


class Transfer:
    """Brings one URL into ``file``, in attempts that each last some seconds.

    An attempt that its caller no longer waits for changes nothing more: the next one takes over.

    Args:
        file: empty, writable and seekable.
        ends_at: by ``clock``; after it, the next attempt is the last.

    Attributes:
        size_bytes: written so far.
    """

    def __init__(
        self,
        url: str,
        file: IO[bytes],
        hops: Hops,
        limits: DownloadSettings,
        *,
        ends_at: float,
        clock: Callable[[], float],
        slice_seconds: float = SLICE_SECONDS,
    ) -> None:
        self.size_bytes = 0
        self._url = url
        self._file = file
        self._hops = hops
        self._limits = limits
        self._ends_at = ends_at
        self._clock = clock
        self._slice_seconds = slice_seconds
        self._lock = threading.Lock()
        self._turn = 0
        self._stream: _Stream | None = None
        self._validator = ("", "")
        self._hash = hashlib.sha256()
        self._head = b""
        self._window = (clock(), 0)

    @property
    def sha256(self) -> str:
        """Of what was written."""
        return self._hash.hexdigest()

    def advance(self) -> bool:
        """Reads on for some seconds; whether the file is whole now.

        Raises:
            RemoteUnavailableError: the connection broke; the next attempt goes on from here, if the server can.
            UnexpectedContentError: it is no PDF, or one that was cut off.
            ResponseTooLargeError: it is, or says it is, larger than the limit.
            PdfDownloadError: it takes too long in all, or comes too slowly.
            RemoteError: as :meth:`Hops.open`.
            StorageFullError: no room for the file.
        """
        with self._lock:
            self._turn += 1
            turn = self._turn
            stream, self._stream = self._stream, None
        until = self._clock() + self._slice_seconds
        if self._clock() >= self._ends_at:
            raise self._given_up(f"took more than {self._limits.max_seconds:g} s")
        stream = stream or self._open(turn)
        if stream is None:
            return False
        try:
            return self._read(stream, turn, until)
        except httpx.DecodingError as error:
            raise self._unexpected(f"answered with a damaged encoding: {error}") from error
        except httpx.TransportError as error:
            raise self._hops.failure(stream.url, error) from error
        finally:
            if self._stream is not stream:
                stream.response.close()

    def _open(self, turn: int) -> _Stream | None:
        """The answer that goes on where the file ends, or begins it anew; None where nobody waits for this attempt any more."""
        while True:
            offset = self.size_bytes if self._validator[1] else 0
            headers = {"Accept": "application/pdf, */*;q=0.5", "Accept-Encoding": "identity"}
            if offset:
                headers |= {"Range": f"bytes={offset}-", "If-Range": self._validator[1]}
            response, url = self._hops.open(self._url, headers)
            with self._lock:
                if turn != self._turn:
                    response.close()
                    return None
                self._window = (self._clock(), self.size_bytes)
                if offset and self._continues(response, offset):
                    return self._begun(response, url)
                self._restart()
                if response.status_code == 200:
                    return self._begun(response, url)
            response.close()
            if not offset:
                raise self._unexpected(f"answered {response.status_code} to a request for the whole file")

    def _continues(self, response: httpx.Response, offset: int) -> bool:
        """Whether an answer is the rest of what the file holds: of the same version, from the right place."""
        name, value = self._validator
        found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        is_rest = response.status_code == 206 and found is not None and int(found[1]) == offset
        return is_rest and response.headers.get(name, value) == value and _is_plain(response)

    def _begun(self, response: httpx.Response, url: httpx.URL) -> _Stream:
        plain = _is_plain(response)
        length = response.headers.get("content-length", "")
        announced = self.size_bytes + int(length) if plain and length.isdecimal() else None
        if announced is not None and announced > self._limits.max_bytes:
            response.close()
            raise self._too_large(f"{announced}")
        if not self.size_bytes:
            self._validator = _validator(response) if plain else ("", "")
        return _Stream(response, url, response.iter_raw() if plain else response.iter_bytes(), announced)

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self.size_bytes, self._head, self._hash, self._validator = 0, b"", hashlib.sha256(), ("", "")
        self._window = (self._clock(), 0)

    def _read(self, stream: _Stream, turn: int, until: float) -> bool:
        for chunk in stream.chunks:
            with self._lock:
                if turn != self._turn:
                    return False
                self._write(chunk)
                now = self._clock()
                self._require_rate(now)
                if now >= until or now >= self._ends_at:
                    self._stream = stream
                    return False
        with self._lock:
            if turn != self._turn:
                return False
            self._require_whole(stream)
            return True

    def _write(self, chunk: bytes) -> None:
        if self.size_bytes + len(chunk) > self._limits.max_bytes:
            raise self._too_large("more")
        write(self._file, chunk)
        self._hash.update(chunk)
        self.size_bytes += len(chunk)
        if len(self._head) < HEAD_BYTES:
            self._head += chunk[: HEAD_BYTES - len(self._head)]
            if len(self._head) == HEAD_BYTES:
                self._require_pdf()

    def _require_rate(self, now: float) -> None:
        started, size_bytes = self._window
        seconds = now - started
        if seconds >= self._limits.rate_window_seconds:
            if self.size_bytes - size_bytes < self._limits.min_bytes_per_second * seconds:
                raise self._given_up(f"sends less than {self._limits.min_bytes_per_second} bytes a second")
            self._window = (now, self.size_bytes)

    def _require_whole(self, stream: _Stream) -> None:
        if stream.announced is not None and self.size_bytes != stream.announced:
            url = shown(stream.url)
            raise RemoteUnavailableError(
                f"{self._hops.source}: {url} broke off after {self.size_bytes} of {stream.announced} bytes.",
                source=self._hops.source,
                url=url,
            )
        self._require_pdf()
        self._file.seek(max(0, self.size_bytes - TAIL_BYTES))
        if not has_end(self._file.read()):
            raise self._unexpected(f"sent a PDF that was cut off: its {self.size_bytes} bytes have no end mark")

    def _require_pdf(self) -> None:
        if not is_pdf(self._head):
            raise self._unexpected(f"answered with {describe(self._head)} instead of a PDF")

    def _too_large(self, found: str) -> ResponseTooLargeError:
        return ResponseTooLargeError(
            f"{self._hops.source}: {self._shown} has {found} bytes; the limit is {self._limits.max_bytes}.",
            remedy="Raise MK_DOWNLOAD__MAX_BYTES if that is right.",
            source=self._hops.source,
            url=self._shown,
        )

    def _given_up(self, why: str) -> PdfDownloadError:
        return PdfDownloadError(
            f"{self._hops.source}: {self._shown} {why}: given up after {self.size_bytes} bytes.",
            remedy="Try again later, or change MK_DOWNLOAD__….",
            source=self._hops.source,
            url=self._shown,
        )

    def _unexpected(self, what: str) -> UnexpectedContentError:
        source, body = self._hops.source, self._head[:300].decode("utf-8", "replace")
        return UnexpectedContentError(f"{source}: {self._shown} {what}.", source=source, url=self._shown, body=body)

    @property
    def _shown(self) -> str:
        return shown_text(self._url)


def shown_text(url: str) -> str:
    """A URL for messages, also where it is none."""
    try:
        return shown(httpx.URL(url))
    except httpx.InvalidURL:
        return repr(url[:200])


def _is_plain(response: httpx.Response) -> bool:
    """Whether the body's bytes are the file's: only then can it be resumed."""
    return response.headers.get("content-encoding", "identity") in ("", "identity")


def _validator(response: httpx.Response) -> tuple[str, str]:
    """The header that tells this version of the file from others, and its value; empty where there is none that is exact."""
    etag = response.headers.get("etag", "")
    if etag and not etag.startswith("W/"):
        return "etag", etag
    modified = response.headers.get("last-modified", "")
    return ("last-modified", modified) if modified and not etag else ("", "")
