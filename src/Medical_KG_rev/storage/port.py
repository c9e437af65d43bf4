"""The object store port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a listing says of one object. ``modified`` is in seconds since the epoch, by the store's clock."""

    key: str
    size_bytes: int
    modified: float


class ObjectStore(Protocol):
    """Immutable objects by key; keys look like paths (``tenants/default/…``)."""

    def put(self, key: str, content: bytes) -> None:
        """Stores the object, complete and durable, replacing one of the same key."""
        ...

    def upload(self, key: str, source: BinaryIO) -> None:
        """As :meth:`put`, for content that need not fit in memory; reads ``source`` to its end."""
        ...

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of the object. Raises KeyError where there is none."""
        ...

    def delete(self, key: str) -> bool:
        """Removes the object; whether there was one."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys that start with ``prefix``."""
        ...

    def entries(self, prefix: str = "") -> Iterator[StoredObject]:
        """As :meth:`keys`, with size and age. An object that goes away meanwhile may be left out."""
        ...

    def unfinished(self) -> Iterator[StoredObject]:
        """Remains of writes that did not end, and those of writes that go on; the key is for :meth:`discard` alone."""
        ...

    def discard(self, remains: StoredObject) -> None:
        """Removes what :meth:`unfinished` named; nothing happens where it is gone."""
        ...
