"""What an operator does to a whole data folder: clear it, measure it, back it up, restore it."""

from Medical_KG_rev.operations.backup import BackupSource, back_up
from Medical_KG_rev.operations.gc import GarbageCollector, GcReport
from Medical_KG_rev.operations.manifest import Manifest, read_manifest
from Medical_KG_rev.operations.restore import RestoreTarget, restore
from Medical_KG_rev.operations.usage import StorageUsage, measure

__all__ = [
    "BackupSource",
    "GarbageCollector",
    "GcReport",
    "Manifest",
    "RestoreTarget",
    "StorageUsage",
    "back_up",
    "measure",
    "read_manifest",
    "restore",
]
