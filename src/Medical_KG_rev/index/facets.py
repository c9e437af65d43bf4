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
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, pairwise
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
    postings: defaultdict[str, list[int]] = defaultdict(list)
    for number, (facets, _) in enumerate(rows):
        for token in facets:
            postings[token].append(number)
    tokens = sorted(postings)  # by code point, which is the order of their UTF-8 too
    lists = [postings[token] for token in tokens]
    lengths = np.array([len(each) for each in lists], np.int64)
    flat = np.array(list(chain.from_iterable(lists)), np.int32)
    return facet_file(vids, np.array([day for _, day in rows], np.int32), [token.encode() for token in tokens], lengths, flat)


def facet_file(
    vids: NDArray[np.int64], days: NDArray[np.int32], tokens: Sequence[bytes], lengths: NDArray[np.int64], rows: NDArray[Any]
) -> bytes:
    """The file with these sections; ``rows`` has the rows of each token, ``lengths`` of them, one token behind the other."""
    names = b"".join(tokens)
    sections = [
        vids.astype("<i8"),
        days.astype("<i4"),
        _offsets(lengths),
        _offsets(np.fromiter(map(len, tokens), np.int64)),
        rows.astype("<i4"),
        np.frombuffer(names, np.uint8),
    ]
    body = b"".join(_padded(section.tobytes()) for section in sections)
    return _HEADER.pack(_MAGIC, _VERSION, zlib.crc32(body), len(vids), len(tokens), len(sections[4]), len(names)) + body


class FacetSegment:
    """A segment mapped into memory; may be used from many threads.

    Attributes:
        vids: int64, ascending; row *i* of the segment is ``vids[i]``.
        days: int32, of the rows.
        postings, offsets: the rows of token *i* of :meth:`tokens` are ``postings[offsets[i]:offsets[i + 1]]``.
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
        self.days: NDArray[np.int32] = sections[1]
        self.offsets: NDArray[np.int64] = sections[2]
        self.postings: NDArray[np.int32] = sections[4]
        self._starts, self._names = sections[3], sections[5]

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
            selected &= self.days != NO_DAY
        if wanted.first_day is not None:
            selected &= self.days >= wanted.first_day
        if wanted.last_day is not None:
            selected &= self.days <= wanted.last_day
        return selected

    def read(self) -> tuple[NDArray[np.int64], list[FacetRow]]:
        """All vids with their facets and days.

        Raises:
            IndexMismatchError: the content is not what was written.
        """
        if zlib.crc32(self._content[_HEADER.size :].data) != self._crc:
            raise damaged(str(self._path), "its checksum is wrong")
        facets: list[list[str]] = [[] for _ in range(len(self))]
        for number, token in enumerate(self.tokens()):
            name = token.decode()
            for row in self.postings[self.offsets[number] : self.offsets[number + 1]].tolist():
                facets[row].append(name)
        return np.array(self.vids), [(tuple(own), day) for own, day in zip(facets, self.days.tolist(), strict=True)]

    def tokens(self) -> list[bytes]:
        """All tokens, ascending."""
        names, starts = self._names.tobytes(), self._starts.tolist()
        return [names[start:end] for start, end in pairwise(starts)]

    def _rows(self, token: bytes) -> NDArray[np.int32]:
        tokens = len(self.offsets) - 1
        number = bisect_left(range(tokens), token, key=self._token)
        if number == tokens or self._token(number) != token:
            return self.postings[:0]
        rows: NDArray[np.int32] = self.postings[self.offsets[number] : self.offsets[number + 1]]
        return rows

    def _token(self, number: int) -> bytes:
        return self._names[self._starts[number] : self._starts[number + 1]].tobytes()


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype="<i8"), np.cumsum(lengths, dtype="<i8")])


def _room(size: int) -> int:
    return -(-size // 8) * 8


def _padded(content: bytes) -> bytes:
    return content.ljust(_room(len(content)), b"\0")
