"""Published LadybugDB files that stay open between questions: opening one takes longer than most answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from Medical_KG_rev.graph.session import EngineLimits, GraphSession, connected, open_database

if TYPE_CHECKING:
    from ladybug import Database


@dataclass(slots=True, eq=False)
class _OpenFile:
    identity: tuple[int, ...]
    database: Database
    users: int = 0
    kept: bool = True


class GraphReaders:
    """The files that a process reads. A file that was replaced is let go when its last reader is done.

    Safe to use from many threads: each session has a connection of its own.
    """

    def __init__(self, limits: EngineLimits) -> None:
        self._limits = limits
        self._files: dict[Path, _OpenFile] = {}
        self._lock = Lock()

    @contextmanager
    def session(self, path: Path) -> Iterator[GraphSession]:
        """A session on what is published now. The engine's failures are RuntimeErrors, after which the file is opened anew."""
        file = self._take(path)
        try:
            with connected(file.database, path) as session:
                yield session
        except RuntimeError:
            self.forget(path)
            raise
        finally:
            self._give_back(file)

    def forget(self, path: Path) -> None:
        """Lets a file go as soon as nobody reads it."""
        with self._lock:
            file = self._files.pop(path, None)
            if file is not None:
                self._let_go(file)

    def close(self) -> None:
        """Lets all files go."""
        for path in list(self._files):
            self.forget(path)

    def _take(self, path: Path) -> _OpenFile:
        with self._lock:
            found = path.stat()  # before it is opened: a file that is replaced meanwhile is opened once more, and never too old
            identity = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
            file = self._files.get(path)
            if file is None or file.identity != identity:
                if file is not None:
                    self._let_go(self._files.pop(path))
                file = self._files[path] = _OpenFile(identity, open_database(path, self._limits, read_only=True))
            file.users += 1
            return file

    def _give_back(self, file: _OpenFile) -> None:
        with self._lock:
            file.users -= 1
            if not file.kept:
                self._let_go(file)

    def _let_go(self, file: _OpenFile) -> None:
        file.kept = False
        if not file.users:
            file.database.close()
