"""Ctrl-C in the middle of a transaction: it is rolled back at once, also while the interrupt is on its way."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, text

from Medical_KG_rev.orchestration.dagster.storage import PooledRunStorage
from Medical_KG_rev.orchestration.ledger.database import open_database

pytestmark = pytest.mark.component

READ = "SELECT 1 UNION SELECT 2 UNION SELECT 3"
"""Of several rows: the statement is open when the interrupt strikes."""


def strike(engine: Engine) -> None:
    """Interrupts the next time that :data:`READ` is run."""

    def interrupt(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement == READ:
            event.remove(engine, "after_cursor_execute", interrupt)
            raise KeyboardInterrupt

    event.listen(engine, "after_cursor_execute", interrupt)


def require_unlocked(path: Path) -> None:
    """Another process may write."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")


def test_the_ledger_is_free_again_while_the_interrupt_is_on_its_way(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    database = open_database(path, time.time)
    strike(database.engine)

    def work(connection: Connection) -> list[int]:
        connection.execute(text("DELETE FROM jobs"))
        return list(connection.execute(text(READ)).scalars())

    with pytest.raises(KeyboardInterrupt) as caught:
        database.write(work)
    require_unlocked(path)
    assert database.write(work) == [1, 2, 3]
    assert caught.tb is not None  # it has held on to the statement until here
    database.close()


def test_dagsters_history_is_free_again_while_the_interrupt_is_on_its_way(tmp_path: Path) -> None:
    storage = PooledRunStorage.from_config_value(None, {"base_dir": str(tmp_path)})
    strike(storage._engine)

    def work() -> list[int]:
        with storage.connect() as connection:
            connection.execute(text("DELETE FROM runs"))
            return list(connection.execute(text(READ)).scalars())

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    require_unlocked(tmp_path / "runs.db")
    assert work() == [1, 2, 3]
    assert caught.tb is not None
    storage.dispose()
