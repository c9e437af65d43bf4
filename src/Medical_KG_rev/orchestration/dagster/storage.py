"""Dagster's SQLite storages for one machine, without what makes the stock ones slow.

The stock run and event log storages open a connection for every statement, wait for the disk after each, and the default
event log creates and migrates a database file for every run: together about 30 ms an event. These keep a small pool of
connections and one event log file, and leave syncing to SQLite's checkpoints (``synchronous=NORMAL`` in WAL mode): a power cut
may lose the last events of Dagster's history but corrupts nothing. What became of documents is in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Self

from dagster._core.storage.event_log.sqlite.consolidated_sqlite_event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event

from Medical_KG_rev.orchestration.ledger.interrupts import outlive_interrupts


def _pooled_engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    outlive_interrupts(engine)
    return engine


class PooledRunStorage(SqliteRunStorage):
    """Run history in ``runs.db`` of the base folder."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """As Dagster builds it from ``dagster.yaml``."""
        return cls.from_local(inst_data=inst_data, **config_value)

    @cached_property
    def _engine(self) -> Engine:
        return _pooled_engine(self._conn_string)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection of the pool, in a transaction."""
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Closes the pool."""
        self._engine.dispose()
        super().dispose()


class PooledEventLogStorage(ConsolidatedSqliteEventLogStorage):
    """The events of all runs in ``event_log.db`` of the base folder."""

    @cached_property
    def _engine(self) -> Engine:
        return _pooled_engine(self._conn_string)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Closes the pool."""
        self._engine.dispose()
        super().dispose()  # type: ignore[no-untyped-call]
