"""One read-only file of named arrays: mapped into memory, shared between processes, each array checked when it is first used.

Layout: 8 bytes magic; header length as 8 bytes, little-endian; sha256 of the header, 32 bytes; header (JSON); arrays, each at
a multiple of 64 bytes. The header gives name, place, type and sha256 of each array, and facts about the whole.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import ModelCorruptError

__all__ = ["ArrayFile", "text_pool", "write_arrays"]

_MAGIC = b"MKLEX001"
_ALIGNMENT = 64
_REMEDY = "Run `medkg models fetch lexicon`."


class _Section(msgspec.Struct):
    name: str
    dtype: str
    offset: int
    size_bytes: int
    sha256: str


class _Header(msgspec.Struct):
    sections: list[_Section]
    facts: dict[str, Any]


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Writes the file; the same arrays and facts give the same bytes."""
    little = {name: np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")) for name, array in arrays.items()}
    sections: list[_Section] = []
    position = 0
    for name, array in little.items():
        sections.append(_Section(name, array.dtype.str, position, array.nbytes, hashlib.sha256(array.data).hexdigest()))
        position += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    header = msgspec.json.encode(_Header(sections, dict(facts)), order="deterministic")
    start = _start(len(header))
    with path.open("wb") as out:
        out.write(_MAGIC + len(header).to_bytes(8, "little") + hashlib.sha256(header).digest() + header)
        for section, array in zip(sections, little.values(), strict=True):
            out.write(bytes(start + section.offset - out.tell()))
            out.write(array.data)


def _start(header_bytes: int) -> int:
    return -(-(48 + header_bytes) // _ALIGNMENT) * _ALIGNMENT


def text_pool(name: str, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Texts as two arrays: one run of UTF-8 bytes, and where each text ends."""
    encoded = [text.encode("utf-8", "replace") for text in texts]
    ends = np.cumsum([len(one) for one in encoded], dtype=np.int64)
    return {f"{name}_end": ends.astype(np.uint32), f"{name}_text": np.frombuffer(b"".join(encoded), np.uint8)}


class ArrayFile:
    """An open file of arrays.

    Raises:
        ModelCorruptError: the file is none, is cut, or holds other bytes than were written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            lead = file.read(48)
            length = int.from_bytes(lead[8:16], "little")
            size = path.stat().st_size
            if lead[:8] != _MAGIC or not 0 < length <= size:
                raise self._corrupt("it is no lexicon")
            header = file.read(length)
            if hashlib.sha256(header).digest() != lead[16:]:
                raise self._corrupt("its header is not as written")
            decoded = msgspec.json.decode(header, type=_Header)
            self._map = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self._base = _start(length)
        self._sections = {section.name: section for section in decoded.sections}
        self._arrays: dict[str, NDArray[Any]] = {}
        self.facts = decoded.facts
        self.digest = lead[16:].hex()
        if any(self._base + section.offset + section.size_bytes > size for section in decoded.sections):
            raise self._corrupt("it is cut")

    def array(self, name: str) -> NDArray[Any]:
        """One array, read-only; its sha256 is compared the first time."""
        found = self._arrays.get(name)
        if found is None:
            section = self._sections[name]
            raw = self._map[self._base + section.offset : self._base + section.offset + section.size_bytes]
            if hashlib.sha256(raw).hexdigest() != section.sha256:
                raise self._corrupt(f"its part {name} is not as written")
            found = self._arrays[name] = np.frombuffer(raw, dtype=section.dtype)
        return found

    def text(self, pool: str, at: int) -> str:
        """Text number ``at`` of a pool."""
        ends = self.array(f"{pool}_end")
        start = int(ends[at - 1]) if at else 0
        return self.array(f"{pool}_text")[start : int(ends[at])].tobytes().decode("utf-8")

    def check(self) -> None:
        """Compares every array."""
        for name in self._sections:
            self.array(name)

    def _corrupt(self, reason: str) -> ModelCorruptError:
        return ModelCorruptError(f"{self._path} cannot be used: {reason}.", remedy=_REMEDY, model="lexicon")
