"""Results that came as a ZIP archive: unpacked in memory, bounded, with nothing written anywhere."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable

from Medical_KG_rev.errors import ResponseTooLargeError, UnexpectedContentError

__all__ = ["MAX_MEMBERS", "unpack"]

MAX_MEMBERS = 20_000
_BLOCK_BYTES = 1024 * 1024


def unpack(body: bytes, wanted: Callable[[str], bool], *, limit: int, endpoint: str) -> dict[str, bytes]:
    """The members whose name is wanted, by name. What an archive says of their sizes is not believed: bytes are counted.

    Raises:
        UnexpectedContentError: it is no archive, a damaged or an encrypted one, or one of too many members.
        ResponseTooLargeError: the wanted members unpack to more than ``limit`` bytes.
    """
    found: dict[str, bytes] = {}
    left = limit
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise UnexpectedContentError(
                    f"MinerU at {endpoint} answered with an archive of more than {MAX_MEMBERS} files.", endpoint=endpoint
                )
            for member in members:
                if member.is_dir() or not wanted(member.filename):
                    continue
                found[member.filename] = _content(archive, member, left, limit, endpoint)
                left -= len(found[member.filename])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise UnexpectedContentError(
            f"MinerU at {endpoint} answered with an archive that cannot be read: {error}.",
            remedy="Check that no proxy changes answers; MK_MINERU__ANSWER=json asks for another form.",
            endpoint=endpoint,
        ) from error
    return found


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, left: int, limit: int, endpoint: str) -> bytes:
    content = bytearray()
    with archive.open(member) as stream:
        while block := stream.read(min(_BLOCK_BYTES, left - len(content) + 1)):
            content += block
            if len(content) > left:
                raise ResponseTooLargeError(
                    f"MinerU at {endpoint} answered with an archive that unpacks to more than {limit} bytes.",
                    remedy="Raise MK_MINERU__MAX_UNPACKED_BYTES if that is right.",
                    endpoint=endpoint,
                )
    return bytes(content)
