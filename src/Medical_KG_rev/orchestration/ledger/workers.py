"""Which processes live: each holds a lock on a file of its own for as long as it runs.

The operating system frees the lock when the process ends, however it ends; so on one host a free lock means a lost worker, at
once. A worker on another host, or one that hangs, is found by its lease running out.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, delete, insert, select

from Medical_KG_rev.orchestration.ledger.ledger import Ledger
from Medical_KG_rev.orchestration.ledger.records import Job
from Medical_KG_rev.orchestration.ledger.recovery import LOST, STOPPED
from Medical_KG_rev.orchestration.ledger.schema import workers


class WorkerRegistration:
    """This process's run token, alive until :meth:`close` or the end of the process."""

    def __init__(self, ledger: Ledger, folder: Path, token: str, now: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.token = token
        self._ledger = ledger
        self._path = folder / f"{token}.lock"
        self._file: IO[Any] = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        row = insert(workers).values(
            worker=token, pid=os.getpid(), host=socket.gethostname(), lock_path=str(self._path), started_at=now
        )
        ledger.database.write(lambda connection: connection.execute(row))

    def close(self) -> None:
        """Puts back what is still held and gives up the token."""
        self._ledger.recovery.release_worker(self.token, STOPPED)
        self._ledger.pdfs.release_worker(self.token, STOPPED)
        _forget(self._ledger, self.token)
        self._file.close()
        self._path.unlink(missing_ok=True)


def is_alive(ledger: Ledger, token: str) -> bool:
    """Whether the process with this token still runs, as far as this host can tell: one on another host counts as alive."""
    row = _rows(ledger, token)
    return bool(row) and not _is_gone(*row[0][1:])


def live_workers(ledger: Ledger) -> list[str]:
    """The tokens of the processes that run."""
    return [token for token, host, path in _rows(ledger) if not _is_gone(host, path)]


def recover_lost_workers(ledger: Ledger) -> list[Job]:
    """Puts back the jobs of workers that are gone from this host, and of leases that ran out anywhere; returns them.

    Their PDFs too, but those are in no batch: their jobs wait at a gate all the time.
    """
    lost: list[Job] = []
    for token, host, path in _rows(ledger):
        if _is_gone(host, path):
            lost += ledger.recovery.release_worker(token, LOST)
            ledger.pdfs.release_worker(token, LOST)
            _forget(ledger, token)
            Path(path).unlink(missing_ok=True)
    ledger.pdfs.expire()
    return lost + ledger.recovery.expire()


def _rows(ledger: Ledger, token: str | None = None) -> list[tuple[str, str, str]]:
    query = select(workers.c.worker, workers.c.host, workers.c.lock_path)
    if token is not None:
        query = query.where(workers.c.worker == token)

    def work(connection: Connection) -> list[tuple[str, str, str]]:
        return [(row[0], row[1], row[2]) for row in connection.execute(query)]

    return ledger.database.read(work)


def _forget(ledger: Ledger, token: str) -> None:
    gone = delete(workers).where(workers.c.worker == token)
    ledger.database.write(lambda connection: connection.execute(gone))


def _is_gone(host: str, path: str) -> bool:
    return host == socket.gethostname() and not _is_locked(Path(path))


def _is_locked(path: Path) -> bool:
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
