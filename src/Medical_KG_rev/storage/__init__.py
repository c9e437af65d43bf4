"""Where bytes are kept: the object store port and its implementations."""

from Medical_KG_rev.storage.filesystem import FilesystemObjectStore
from Medical_KG_rev.storage.port import ObjectStore

__all__ = ["FilesystemObjectStore", "ObjectStore"]
