"""Which processes live: each holds a lock on a file of its own for as long as it runs.

The operating system frees the lock when the process ends, however it ends; so a free lock means a lost worker.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import IO, Any

from sqlalchemy import delete, insert, select

from Medical_KG_rev.orchestration.ledger.database import writing
from Medical_KG_rev.orchestration.ledger.ledger import Ledger
from Medical_KG_rev.orchestration.ledger.records import Job
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
        with writing(ledger.engine) as connection:
            connection.execute(
                insert(workers).values(
                    worker=token, pid=os.getpid(), host=socket.gethostname(), lock_path=str(self._path), started_at=now
                )
            )

    def close(self) -> None:
        """Puts back what is still held and gives up the token."""
        self._ledger.release_worker(self.token, "worker_stopped", "The process ended before the batch did.")
        _forget(self._ledger, self.token)
        self._file.close()
        self._path.unlink(missing_ok=True)


def is_alive(ledger: Ledger, token: str) -> bool:
    """Whether the process with this token still runs."""
    with ledger.engine.connect() as connection:
        path = connection.execute(select(workers.c.lock_path).where(workers.c.worker == token)).scalar()
    return path is not None and _is_locked(Path(path))


def recover_lost_workers(ledger: Ledger) -> list[Job]:
    """Puts back the jobs of workers that are gone; returns them."""
    with ledger.engine.connect() as connection:
        known = connection.execute(select(workers.c.worker, workers.c.lock_path)).all()
    lost: list[Job] = []
    for token, path in known:
        if not _is_locked(Path(path)):
            lost += ledger.release_worker(token, "worker_lost", "The process that ran this job ended unexpectedly.")
            _forget(ledger, token)
            Path(path).unlink(missing_ok=True)
    return lost


def _forget(ledger: Ledger, token: str) -> None:
    with writing(ledger.engine) as connection:
        connection.execute(delete(workers).where(workers.c.worker == token))


def _is_locked(path: Path) -> bool:
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
