"""Dagster's PostgreSQL storages with a pool of connections, in a schema of their own.

The stock storages open a connection for every statement. These keep theirs: each storage of a process has its
own pool, of which :data:`KEPT` stay open and :data:`AT_MOST` can be:

=======================  =================================  =========
process                  storages in use                    connections, usual / at most
=======================  =================================  =========
worker, run process      runs, events                       2 / 30
webserver                all three, several requests        3-9 / 30
daemon                   all three, several threads         3-9 / 30
=======================  =================================  =========

So N workers need about ``2 N`` connections beside the ledger's ``MK_DATABASE__POOL_SIZE`` each; a run works in one thread and
never comes near the limit. Connections beyond the kept ones are closed when they are given back.

Dagster's tables go into the schema :data:`SCHEMA`, for the ledger has tables of the same names (``jobs``, ``alembic_version``)
and may share the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from dagster._serdes import ConfigurableClassData
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy import Engine, NullPool, create_engine, func, make_url, select, text

from Medical_KG_rev.orchestration.ledger.database import CONNECT_ARGS

SCHEMA = "dagster"
KEPT = 1
"""Connections that an idle pool keeps: a run has one thread."""
AT_MOST = 10
STATEMENT_SECONDS = 120
"""A statement that takes longer is given up by the server: its answer would come to nobody."""


def _engine(url: str, at_most: int = AT_MOST, recycle_seconds: int = -1, statement_ms: int = STATEMENT_SECONDS * 1000) -> Engine:
    options = f"-c search_path={SCHEMA} -c statement_timeout={statement_ms}"
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg2"),
        isolation_level="AUTOCOMMIT",
        connect_args={**CONNECT_ARGS, "options": options},
        pool_size=KEPT,
        max_overflow=max(0, at_most - KEPT),
        pool_recycle=recycle_seconds,
        pool_pre_ping=True,  # a connection that the server closed meanwhile is replaced, not handed out
    )


@contextmanager
def _creating(url: str) -> Iterator[None]:
    """Only one process at a time looks for Dagster's tables and creates them. The schema is there afterwards."""
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg2"),
        isolation_level="AUTOCOMMIT",
        connect_args=CONNECT_ARGS,
        poolclass=NullPool,
    )
    with engine.connect() as connection:  # the lock goes with the connection
        connection.execute(select(func.pg_advisory_lock(func.hashtext("medkg:dagster:create"))))
        if connection.execute(select(func.to_regnamespace(SCHEMA))).scalar() is None:
            connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        yield


def _with_schema(url: str) -> str:
    """The address for the stock constructor, which takes nothing but an address."""
    parsed = make_url(url).set(drivername="postgresql+psycopg2")
    return parsed.update_query_dict({"options": f"-c search_path={SCHEMA}"}).render_as_string(hide_password=False)


class _Pooled:
    """Lets a stock storage create its tables, and gives it a pool then."""

    postgres_url: str
    _engine: Engine

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: Any = None,
    ) -> None:
        with _creating(postgres_url):
            super().__init__(_with_schema(postgres_url), should_autocreate_tables, inst_data, token_provider)  # type: ignore[call-arg]
        self._use(_engine(postgres_url))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """As Dagster builds it from ``dagster.yaml``."""
        return cls(pg_url_from_config(config_value), config_value.get("should_autocreate_tables", True), inst_data)

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """The webserver's own limits, in milliseconds, seconds and connections."""
        self._use(_engine(self.postgres_url, max(AT_MOST, KEPT + max_overflow), pool_recycle, statement_timeout))

    def dispose(self) -> None:
        """Closes the pool."""
        super().dispose()  # type: ignore[misc]
        self._engine.dispose()

    def _use(self, engine: Engine) -> None:
        self._engine.dispose()
        self._engine = engine


class PooledPostgresRunStorage(_Pooled, PostgresRunStorage):
    """Run history."""


class PooledPostgresEventLogStorage(_Pooled, PostgresEventLogStorage):
    """The events of all runs."""


class PooledPostgresScheduleStorage(_Pooled, PostgresScheduleStorage):
    """Ticks and cursors of sensors."""
