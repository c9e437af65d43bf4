"""A view of the local stores at one moment, taken while their writers wait.

Index and graph never change a file that readers use: they write new ones and rename. So a hard link keeps a file as it is, costs
nothing, and the locks are held for milliseconds; only SQLite databases are copied meanwhile.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from Medical_KG_rev.index.locking import exclusive
from Medical_KG_rev.operations.databases import copy_sqlite

STORES = ("index", "graph")
LOCK_SECONDS = 300.0
_LEFT_OUT = ("*.lock", "*.tmp", "*-wal", "*-shm", "*-journal", "graph.next.*", "dagster.yaml.*", "?*~*")


def freeze(data_dir: Path, staging: Path, copy_ledger: Callable[[], None]) -> None:
    """Puts index and graph of every tenant into ``staging``, and calls ``copy_ledger`` while none of them can change.

    A tenant that comes up between the listing and the ledger's copy makes it start again.
    """
    while True:
        for name in STORES:
            shutil.rmtree(staging / name, ignore_errors=True)
        tenants = _tenants(data_dir)
        with _held(tenants):
            copy_ledger()
            if _tenants(data_dir) == tenants:
                for name in STORES:
                    freeze_folder(data_dir / name, staging / name)
                return


def freeze_folder(source: Path, target: Path) -> None:
    """Links a folder's files, and copies its databases; leaves out what belongs to writers alone."""
    for path in sorted(source.rglob("*")):
        if path.is_file() and not any(path.match(pattern) for pattern in _LEFT_OUT):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".db":
                copy_sqlite(path, copy)
            else:
                _link(path, copy)


def _tenants(data_dir: Path) -> list[Path]:
    return sorted(path for name in STORES for path in (data_dir / name).glob("*") if path.is_dir())


@contextmanager
def _held(folders: list[Path]) -> Iterator[None]:
    """The write locks of all folders. No writer holds two, so that waiting for them in any order ends."""
    with ExitStack() as locks:
        for folder in folders:
            locks.enter_context(exclusive(folder / "write.lock", LOCK_SECONDS))
        yield


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        return  # a log that was turned over, or a file that was cleared away: nothing refers to it any more
    except OSError:
        shutil.copyfile(source, target)  # another file system, or one without links
