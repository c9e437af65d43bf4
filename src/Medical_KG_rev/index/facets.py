"""Facet segments: which rows have which facets and days, in one immutable file that is mapped into memory.

They turn a filter into a selection of rows, under which the segments of vectors are searched.

Format, version 1; all numbers little-endian, each section padded with zeros to a multiple of 8 bytes::

    header    magic "MKFACETS", uint32 version, uint32 CRC-32 of everything after the header,
              uint64 rows, uint64 tokens, uint64 postings, uint64 bytes of names
    vids      int64 [rows]          ascending
    days      int32 [rows]          yyyymmdd; 0: none
    offsets   int64 [tokens + 1]    postings of token i are offsets[i]:offsets[i + 1]
    starts    int64 [tokens + 1]    token i is names[starts[i]:starts[i + 1]]
    postings  int32 [postings]      row numbers, ascending within a token
    names     bytes                 tokens in UTF-8, ascending as bytes
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.index.filters import NO_DAY, Filter
from Medical_KG_rev.index.segment_files import damaged

FINGERPRINT = "facets/1"

_MAGIC, _VERSION = b"MKFACETS", 1
_HEADER = struct.Struct("<8sIIQQQQ")

FacetRow = tuple[tuple[str, ...], int]
"""The facets of a chunk and its day."""


def facet_bytes(vids: NDArray[np.int64], rows: Sequence[FacetRow]) -> bytes:
    """The file of a segment that holds ``rows[i]`` as ``vids[i]``; vids ascending."""
    postings: dict[bytes, list[int]] = {}
    for number, (facets, _) in enumerate(rows):
        for token in facets:
            postings.setdefault(token.encode(), []).append(number)
    tokens = sorted(postings)
    sections = [
        vids.astype("<i8"),
        np.array([day for _, day in rows], "<i4"),
        _offsets(len(postings[token]) for token in tokens),
        _offsets(map(len, tokens)),
        np.array([row for token in tokens for row in postings[token]], "<i4"),
        np.frombuffer(names := b"".join(tokens), np.uint8),
    ]
    body = b"".join(_padded(section.tobytes()) for section in sections)
    return _HEADER.pack(_MAGIC, _VERSION, zlib.crc32(body), len(vids), len(tokens), len(sections[4]), len(names)) + body


class FacetSegment:
    """A segment mapped into memory; may be used from many threads.

    Attributes:
        vids: int64, ascending; row *i* of the segment is ``vids[i]``.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file and checks its size.

        Raises:
            IndexMismatchError: it is missing, cut off, or no facet segment.
        """
        self._path = path
        try:
            self._content: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError) as error:
            raise damaged(str(path), str(error)) from error
        head = self._content[: _HEADER.size].tobytes()
        if len(head) < _HEADER.size or not head.startswith(_MAGIC) or _HEADER.unpack(head)[1] != _VERSION:
            raise damaged(str(path), "it is no facet segment of this version")
        _, _, self._crc, rows, tokens, postings, names = _HEADER.unpack(head)
        layout = (("<i8", rows), ("<i4", rows), ("<i8", tokens + 1), ("<i8", tokens + 1), ("<i4", postings), ("u1", names))
        if len(self._content) != _HEADER.size + sum(_room(np.dtype(kind).itemsize * length) for kind, length in layout):
            raise damaged(str(path), f"it has {len(self._content)} bytes, which its header contradicts")
        sections, start = [], _HEADER.size
        for kind, length in layout:
            sections.append(np.frombuffer(self._content, kind, length, start))
            start += _room(sections[-1].nbytes)
        self.vids: NDArray[np.int64] = sections[0]
        self._days, self._offsets, self._starts, self._postings, self._names = sections[1:]

    def __len__(self) -> int:
        return len(self.vids)

    def allowed(self, wanted: Filter) -> NDArray[np.bool_]:
        """Whether each row has one facet of every group and a day in the range; a row without a day is in no range."""
        selected = np.ones(len(self), dtype=np.bool_)
        for group in wanted.facets:
            having = np.zeros(len(self), dtype=np.bool_)
            for token in group:
                having[self._rows(token.encode())] = True
            selected &= having
        if wanted.first_day is not None or wanted.last_day is not None:
            selected &= self._days != NO_DAY
        if wanted.first_day is not None:
            selected &= self._days >= wanted.first_day
        if wanted.last_day is not None:
            selected &= self._days <= wanted.last_day
        return selected

    def read(self) -> tuple[NDArray[np.int64], list[FacetRow]]:
        """All vids with their facets and days.

        Raises:
            IndexMismatchError: the content is not what was written.
        """
        if zlib.crc32(self._content[_HEADER.size :].data) != self._crc:
            raise damaged(str(self._path), "its checksum is wrong")
        facets: list[list[str]] = [[] for _ in range(len(self))]
        for number in range(len(self._offsets) - 1):
            token = self._token(number).decode()
            for row in self._postings[self._offsets[number] : self._offsets[number + 1]].tolist():
                facets[row].append(token)
        return np.array(self.vids), [(tuple(own), day) for own, day in zip(facets, self._days.tolist(), strict=True)]

    def _rows(self, token: bytes) -> NDArray[np.int32]:
        tokens = len(self._offsets) - 1
        number = bisect_left(range(tokens), token, key=self._token)
        if number == tokens or self._token(number) != token:
            return self._postings[:0]
        rows: NDArray[np.int32] = self._postings[self._offsets[number] : self._offsets[number + 1]]
        return rows

    def _token(self, number: int) -> bytes:
        return self._names[self._starts[number] : self._starts[number + 1]].tobytes()


def _offsets(lengths: Any) -> NDArray[np.int64]:
    counts = np.fromiter(lengths, dtype="<i8")
    return np.concatenate([np.zeros(1, dtype="<i8"), np.cumsum(counts, dtype="<i8")])


def _room(size: int) -> int:
    return -(-size // 8) * 8


def _padded(content: bytes) -> bytes:
    return content.ljust(_room(len(content)), b"\0")
