"""Marks that tell whether a transaction was committed when the answer to its commit was lost."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text

T = TypeVar("T")

MARK = text(
    "WITH spent AS (DELETE FROM commit_marks WHERE token = :spent) "
    "INSERT INTO commit_marks (token, at) VALUES (:token, extract(epoch from clock_timestamp())) ON CONFLICT DO NOTHING"
)
"""Waits while an earlier try with this token is still being committed; writes no row if it was. The thread's last mark goes."""
KEPT_SECONDS = 3600.0
"""Longer than any transaction is tried again. The last mark of a thread that ended stays until somebody clears it away."""


class CommitMarks:
    """Makes transactions on PostgreSQL that take effect once, however often they are tried."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = threading.local()

    def transaction(self) -> Callable[[Callable[[Connection], T]], T]:
        """Calls a function in a transaction; called again after a lost connection it knows whether that was committed."""
        token = uuid.uuid4().hex
        results: list[Any] = []

        def once(work: Callable[[Connection], T]) -> T:
            with self._engine.begin() as connection:
                spent = getattr(self._thread, "token", "")
                if connection.execute(MARK, {"token": token, "spent": spent}).rowcount:
                    results[:] = [work(connection)]
            self._thread.token = token
            result: T = results[0]
            return result

        return once
