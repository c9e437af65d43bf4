"""The object store port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class ObjectStore(Protocol):
    """Immutable objects by key; keys look like paths (``tenants/default/…``)."""

    def put(self, key: str, content: bytes) -> None:
        """Stores the object, complete and durable, replacing one of the same key."""
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
