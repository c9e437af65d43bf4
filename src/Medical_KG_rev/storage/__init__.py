"""Where bytes are kept: the object store port and its implementations."""

from Medical_KG_rev.storage.filesystem import FilesystemObjectStore
from Medical_KG_rev.storage.port import ObjectStore, StoredObject
from Medical_KG_rev.storage.s3 import S3ObjectStore

__all__ = ["FilesystemObjectStore", "ObjectStore", "S3ObjectStore", "StoredObject"]
