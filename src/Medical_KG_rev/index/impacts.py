"""Impact segments: learned sparse vectors of many rows, inverted, in one immutable file that is mapped into memory.

For each term the file lists which rows have it and with which weight, so that a query reads only the lists of its own terms and
adds them up: the exact dot product with every row, at a cost that grows with the postings touched.

Rows stand in blocks of 65,536, and the lists are kept block by block, so that a posting names its row in two bytes.

Format, version 2; all numbers little-endian, each section padded with zeros to a multiple of 8 bytes::

    header    magic "MKIMPACT", uint32 version, uint32 bytes of names, uint64 rows, uint64 terms, uint64 postings,
              uint32 CRC-32 of the header up to here with names, offsets and terms, uint32 CRC-32 of vids, rows and weights
    names     JSON: {"model": …, "fingerprint": …}; the fingerprint covers the vocabulary that gives term ids their meaning
    offsets   int64 [blocks * terms + 1]  postings of terms[i] in block b are offsets[n]:offsets[n + 1], n = b * terms + i
    terms     int32 [terms]               term ids, ascending
    vids      int64 [rows]                ascending
    rows      uint16 [postings]           ascending within a list; row i of block b is vids[65536 * b + i]
    weights   float16 [postings]          above 0
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import IndexMismatchError, InvalidDocumentError
from Medical_KG_rev.index.ports import Scored
from Medical_KG_rev.models import SparseMatrix, SparseVector

__all__ = ["Allowed", "ImpactSegment", "impact_bytes", "search_impacts"]

Allowed = NDArray[Any] | None
"""The rows of a segment that may be found: booleans of shape (rows,), or ascending row numbers; None: all of them."""

_MAGIC = b"MKIMPACT"
_VERSION = 2
_HEADER = struct.Struct("<8sIIQQQII")
_CHECKED_HEADER_BYTES = _HEADER.size - 8
BLOCK_BITS = 16
_BLOCK_ROWS = 1 << BLOCK_BITS


class _Counts(NamedTuple):
    names_bytes: int
    rows: int
    terms: int
    postings: int

    @property
    def blocks(self) -> int:
        return -(-self.rows // _BLOCK_ROWS)

    def layout(self) -> list[tuple[str, str, int]]:
        """Name, type and length of each section after the names."""
        return [
            ("offsets", "<i8", self.blocks * self.terms + 1),
            ("terms", "<i4", self.terms),
            ("vids", "<i8", self.rows),
            ("rows", "<u2", self.postings),
            ("weights", "<f2", self.postings),
        ]


def impact_bytes(vids: NDArray[np.int64], matrix: SparseMatrix) -> bytes:
    """The file of a segment that holds row *i* of ``matrix`` as ``vids[i]``.

    Raises:
        InvalidDocumentError: the vids are not as many as the rows, or one comes twice.
    """
    if len(vids) != len(matrix):
        raise InvalidDocumentError(f"{len(matrix)} sparse vectors have {len(vids)} vids.")
    order = np.argsort(vids, kind="stable")
    rank = np.empty(len(vids), np.int32)
    rank[order] = np.arange(len(vids), dtype=np.int32)
    rows = np.repeat(rank, np.diff(matrix.indptr))
    return sorted_impacts(vids[order], matrix.terms, rows, matrix.weights, matrix.model, matrix.fingerprint)


def search_impacts(parts: Iterable[tuple[ImpactSegment, Allowed]], query: SparseVector, limit: int) -> Scored:
    """The best ``limit`` of all segments together, each under its own selection; equal scores by vid."""
    found = [hit for segment, allowed in parts for hit in segment.search(query, limit, allowed)]
    return sorted(found, key=lambda hit: (-hit[1], hit[0]))[:limit]


class ImpactSegment:
    """A segment mapped into memory; it may be searched from many threads.

    Attributes:
        vids: int64, ascending; row *i* of the segment is ``vids[i]``.
        postings: how many weights it holds.
        path, size_bytes: of the file.
        model, fingerprint: what made the vectors.
        terms: int32, ascending; those that any row has.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file and checks everything but the postings.

        Raises:
            IndexMismatchError: it is missing, cut off, or no impact segment.
        """
        self.path = path
        try:
            self._content: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError) as error:
            raise self._damaged(str(error)) from error
        self.size_bytes = len(self._content)
        counts, names, self._body_crc = self._read_header()
        self.model, self.fingerprint = str(names["model"]), str(names["fingerprint"])
        self.postings = counts.postings
        sections = self._map(counts)
        self.vids: NDArray[np.int64] = sections["vids"]
        self._offsets, self.terms = sections["offsets"], sections["terms"]
        self._rows, self._weights = sections["rows"], sections["weights"]

    def __len__(self) -> int:
        return len(self.vids)

    def search(self, query: SparseVector, limit: int, allowed: Allowed = None) -> Scored:
        """The best ``limit`` rows by dot product among those allowed, best first, equal scores by vid; rows at 0 are left out.

        The sums are of 32-bit floats in the order of the query's terms, so that a row has the same score in any segment.
        """
        scores = self._scores(query)
        if allowed is None:
            rows = np.flatnonzero(scores)
        else:
            rows = row_numbers(allowed)
            rows = rows[scores[rows] > 0]
        best = _best(rows, scores[rows], limit)
        return list(zip(self.vids[best].tolist(), scores[best].tolist(), strict=True))

    def rows_of(self, vids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row numbers, ascending, of those ``vids`` that the segment holds."""
        wanted = np.unique(vids)
        places = np.searchsorted(self.vids, wanted)
        inside = places < len(self.vids)
        rows = places[inside]
        held: NDArray[np.int64] = rows[self.vids[rows] == wanted[inside]]
        return held

    def read(self) -> tuple[NDArray[np.int64], SparseMatrix]:
        """All vids with their vectors, after :meth:`verify`."""
        self.verify()
        terms, rows, weights = self.moved(np.arange(len(self), dtype=np.int32), self.terms)
        order = _order(rows)
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(rows, minlength=len(self)), dtype=np.int64)])
        return np.array(self.vids), SparseMatrix(indptr, terms[order], weights[order], self.model, self.fingerprint)

    def verify(self) -> None:
        """Reads the whole file.

        Raises:
            IndexMismatchError: its content is not what was written.
        """
        if _crc(self.vids, self._rows, self._weights) != self._body_crc:
            raise self._damaged("the checksum of its postings is wrong")

    def moved(
        self, target: NDArray[np.int32], names: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.float16]]:
        """Terms, rows and weights of the postings, term *i* as ``names[i]``, row *i* as ``target[i]``; none of rows below 0."""
        blocks = -(-len(self) // _BLOCK_ROWS)
        lengths = np.diff(self._offsets)
        terms = np.repeat(np.tile(names, blocks), lengths)
        if blocks == 1:
            rows = target[self._rows]
        else:
            starts = np.repeat(np.arange(blocks, dtype=np.int32) * _BLOCK_ROWS, len(self.terms))
            rows = target[np.repeat(starts, lengths) + self._rows]
        if (target >= 0).all():
            return terms, rows, self._weights
        kept = rows >= 0
        return terms[kept], rows[kept], self._weights[kept]

    def _scores(self, query: SparseVector) -> NDArray[np.float32]:
        scores = np.zeros(len(self), np.float32)
        if not len(self.terms):
            return scores
        places = np.minimum(np.searchsorted(self.terms, query.terms), len(self.terms) - 1)
        known = self.terms[places] == query.terms
        for block, first in enumerate(range(0, len(self), _BLOCK_ROWS)):
            own = scores[first : first + _BLOCK_ROWS]
            lists = places[known] + block * len(self.terms)
            for place, weight in zip(lists.tolist(), query.weights[known], strict=True):
                start, end = self._offsets[place], self._offsets[place + 1]
                try:
                    np.add.at(own, self._rows[start:end], weight * self._weights[start:end].astype(np.float32))
                except IndexError as error:
                    raise self._damaged("a posting names a row that is not there") from error
        return scores

    def _read_header(self) -> tuple[_Counts, dict[str, Any], int]:
        head = self._content[: _HEADER.size].tobytes()
        if len(head) < _HEADER.size or not head.startswith(_MAGIC):
            raise self._damaged("it is no impact segment")
        _, version, names_bytes, rows, terms, postings, table_crc, body_crc = _HEADER.unpack(head)
        if version != _VERSION:
            raise self._damaged(f"its format is version {version}; this release reads version {_VERSION}")
        counts = _Counts(names_bytes, rows, terms, postings)
        expected = _size(counts)
        if len(self._content) != expected:
            raise self._damaged(f"it has {len(self._content)} bytes instead of {expected}")
        sections = self._map(counts)
        names = self._content[_HEADER.size : _HEADER.size + names_bytes]
        if _crc(self._content[:_CHECKED_HEADER_BYTES], names, sections["offsets"], sections["terms"]) != table_crc:
            raise self._damaged("the checksum of its tables is wrong")
        return counts, json.loads(names.tobytes()), body_crc

    def _map(self, counts: _Counts) -> dict[str, NDArray[Any]]:
        sections, start = {}, _HEADER.size + _padded(counts.names_bytes)
        for name, kind, length in counts.layout():
            sections[name] = np.frombuffer(self._content, kind, length, start)
            start += _padded(sections[name].nbytes)
        return sections

    def _damaged(self, reason: str) -> IndexMismatchError:
        return IndexMismatchError(
            f"The impact segment {self.path} is damaged: {reason}.", remedy="Run `medkg index repair`.", found=str(self.path)
        )


def _best(rows: NDArray[np.int64], scores: NDArray[np.float32], limit: int) -> NDArray[np.int64]:
    """Of ``rows`` (ascending) with their scores the best ``limit``, best first, equal scores in the order of rows."""
    if limit <= 0:
        return rows[:0]
    if limit < len(rows):
        worst = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        better, equal = np.flatnonzero(scores > worst), np.flatnonzero(scores == worst)
        chosen = np.sort(np.concatenate([better, equal[: limit - len(better)]]))
        rows, scores = rows[chosen], scores[chosen]
    return rows[np.argsort(-scores, kind="stable")]


def row_numbers(allowed: NDArray[Any]) -> NDArray[np.int64]:
    return np.flatnonzero(allowed) if allowed.dtype == np.bool_ else allowed


def sorted_impacts(
    vids: NDArray[np.int64],
    terms: NDArray[np.int32],
    rows: NDArray[np.int32],
    weights: NDArray[np.float16],
    model: str,
    fingerprint: str,
) -> bytes:
    """The file with these postings, in any order; ``vids`` ascending."""
    if (np.diff(vids) == 0).any():
        raise InvalidDocumentError("A segment cannot hold one vid twice.")
    if (np.diff(rows) < 0).any():
        order = _order(rows)
        terms, rows, weights = terms[order], rows[order], weights[order]
    order = _order(terms)
    terms, rows, weights = terms[order], rows[order], weights[order]
    starts = np.flatnonzero(np.diff(terms, prepend=-1))
    blocks = _Counts(0, len(vids), 0, 0).blocks
    lists = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(terms))) + (rows >> BLOCK_BITS) * len(starts)
    if blocks > 1:
        order = np.argsort((rows >> BLOCK_BITS).astype(np.uint16), kind="stable")
        rows, weights = rows[order], weights[order]
    lengths = np.bincount(lists, minlength=blocks * len(starts))
    return impact_file(vids, terms[starts], lengths, rows.astype(np.uint16), weights, model, fingerprint)


def impact_file(
    vids: NDArray[np.int64],
    terms: NDArray[np.int32],
    lengths: NDArray[np.int64],
    rows: NDArray[np.uint16],
    weights: NDArray[np.float16],
    model: str,
    fingerprint: str,
) -> bytes:
    """The file with these sections; ``lengths`` of the lists block by block, in each of them by term."""
    names = json.dumps({"model": model, "fingerprint": fingerprint}, ensure_ascii=False).encode()
    counts = _Counts(len(names), len(vids), len(terms), len(rows))
    arrays = [np.append(0, np.cumsum(lengths)), terms, vids, rows, weights]
    sections = [array.astype(kind, copy=False) for array, (_, kind, _) in zip(arrays, counts.layout(), strict=True)]
    head = _HEADER.pack(_MAGIC, _VERSION, *counts, 0, 0)[:_CHECKED_HEADER_BYTES]
    table = np.frombuffer(head, np.uint8), np.frombuffer(names, np.uint8), *sections[:2]
    checks = struct.pack("<II", _crc(*table), _crc(*sections[2:]))
    return b"".join([head, checks, _padding(names), *(_padding(section.tobytes()) for section in sections)])


def _order(keys: NDArray[np.int32]) -> NDArray[np.int64]:
    """The stable ascending order of keys from 0 up: numpy sorts 16-bit digits by radix, in linear time."""
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    high = (keys >> BLOCK_BITS).astype(np.uint16)
    return order[np.argsort(high[order], kind="stable")] if high.any() else order


def _size(counts: _Counts) -> int:
    sections = (_padded(np.dtype(kind).itemsize * length) for _, kind, length in counts.layout())
    return _HEADER.size + _padded(counts.names_bytes) + sum(sections)


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _padding(content: bytes) -> bytes:
    return content.ljust(_padded(len(content)), b"\0")


def _crc(*arrays: NDArray[Any]) -> int:
    value = 0
    for array in arrays:
        value = zlib.crc32(array.data, value)
    return value
