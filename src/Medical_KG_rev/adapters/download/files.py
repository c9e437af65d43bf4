"""PDFs that lie on this machine."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from tempfile import gettempdir
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from Medical_KG_rev.adapters.files import unreadable
from Medical_KG_rev.errors import PayloadTooLargeError, PayloadUnreadableError, StorageFullError, UnsupportedFormatError
from Medical_KG_rev.models import PdfAsset

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

COPY_BYTES = 1024 * 1024


def path_of(url: str) -> str | None:
    """The path of a ``file:`` URL of this machine; None where it is none."""
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        return None
    return unquote(parts.path)


def copy_file(asset: PdfAsset, target: IO[bytes], max_bytes: int) -> tuple[str, int]:
    """Copies the file of a ``file:`` URL; gives sha256 and size of what was copied.

    Raises:
        PayloadUnreadableError: it is gone, may not be read, or has other bytes than when it was listed.
        UnsupportedFormatError: a device, a pipe, a folder, or no ``file:`` URL.
        PayloadTooLargeError: more than ``max_bytes``.
    """
    path = path_of(asset.url)
    if path is None:
        raise UnsupportedFormatError(f"{asset.url[:200]} is no file of this machine.", path=asset.url)
    try:
        with open(path, "rb", buffering=0, opener=_without_waiting) as source:
            if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
                raise UnsupportedFormatError(f"{path} is not a regular file.", path=path)
            sha256, size_bytes = digest_of(source, path, max_bytes, target)
    except OSError as error:
        raise unreadable(path, error) from error
    expected = asset.checksum.removeprefix("sha256:")
    if expected and expected != sha256:
        raise PayloadUnreadableError(f"{path} has changed since it was listed.", remedy="Ingest it again.", path=path)
    return sha256, size_bytes


def digest_of(source: IO[bytes], path: str, max_bytes: int, target: IO[bytes] | None = None) -> tuple[str, int]:
    """sha256 and size of a file, which is copied to ``target`` on the way. Raises PayloadTooLargeError."""
    digest, size_bytes = hashlib.sha256(), 0
    while chunk := source.read(COPY_BYTES):
        size_bytes += len(chunk)
        if size_bytes > max_bytes:
            raise PayloadTooLargeError(
                f"{path} has more than {max_bytes} bytes.", remedy="Raise MK_DOWNLOAD__MAX_BYTES.", path=path
            )
        digest.update(chunk)
        if target is not None:
            write(target, chunk)
    return digest.hexdigest(), size_bytes


class OwnReader(io.RawIOBase):
    """Reads an open file from its start, with its own position and beyond the file's closing: one that hangs harms nobody."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._descriptor = os.dup(file.fileno())
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fills the buffer as far as the file goes."""
        view = memoryview(buffer)
        chunk = os.pread(self._descriptor, len(view), self._position)
        view[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)

    def close(self) -> None:
        """Gives the descriptor back."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def write(target: IO[bytes], chunk: bytes) -> None:
    """Raises StorageFullError where a temporary file has no room."""
    try:
        target.write(chunk)
        target.flush()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        folder = gettempdir()
        raise StorageFullError(
            f"No room in {folder} for a PDF on its way.",
            remedy="Free space there, or name another folder in TMPDIR.",
            path=folder,
        ) from error


def _without_waiting(path: str, flags: int) -> int:
    """A pipe would wait for a writer. What it is, is asked of what was opened."""
    return os.open(path, flags | os.O_NONBLOCK)
