"""The ledger's database: a SQLite file or PostgreSQL, at the newest schema, with transactions that survive a lost connection."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from Medical_KG_rev.errors import ConfigurationError, FormatVersionError, LedgerUnavailableError, PartUnavailableError
from Medical_KG_rev.orchestration.ledger.faults import as_ledger_error, is_passing
from Medical_KG_rev.orchestration.ledger.interrupts import outlive_interrupts
from Medical_KG_rev.orchestration.ledger.marks import CommitMarks

HEAD = "0004"
"""The newest revision in ``migrations/versions``; a test holds it to Alembic's own answer."""

BUSY_TIMEOUT_SECONDS = 60
CONNECT_ARGS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # a server that vanished without a word is noticed after this many milliseconds
}
JSON_CODEC: dict[str, Any] = {
    "json_serializer": lambda value: msgspec.json.encode(value).decode(),
    "json_deserializer": msgspec.json.decode,
}
"""Of JSON columns: several times faster than the standard library's, and every job has two."""
POOL_SIZE = 4
"""Connections that a process keeps: its batch, its heartbeat, its relay and one for commands."""

T = TypeVar("T")
W = TypeVar("W")


class Database:
    """Runs transactions, again after a lost connection.

    Each is a function that may be called twice; it takes effect once, also where the answer to its commit is lost.

    Args:
        engine: of a SQLite file or PostgreSQL.
        clock: seconds since the epoch; on PostgreSQL the server's own clock decides, so that workers agree.
        patience_seconds: how long a lost database is waited for before LedgerUnavailableError is raised.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float],
        *,
        patience_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self._marks = CommitMarks(engine)
        self._retrying = Retrying(
            retry=retry_if_exception(is_passing),
            stop=stop_after_delay(patience_seconds),
            wait=wait_exponential_jitter(multiplier=0.1, max=2.0, jitter=0.2),
            sleep=sleep,
            reraise=True,
        )

    @property
    def is_postgres(self) -> bool:
        return self.engine.dialect.name == "postgresql"

    def write(self, work: Callable[[Connection], T]) -> T:
        """The result of ``work`` in one transaction. On SQLite it holds the write lock from its start.

        Raises:
            LedgerUnavailableError: the database was away for longer than is waited for.
            LedgerAccessError: it refuses the login, or the right to write.
        """
        return self._run(self._marks.transaction() if self.is_postgres else self._immediately, work)

    def write_schema(self, work: Callable[[Connection], T]) -> T:
        """As :meth:`write`, where the table of commit marks may not be there yet: ``work`` must bear to be repeated."""
        return self._run(self._begin if self.is_postgres else self._immediately, work)

    def read(self, work: Callable[[Connection], T]) -> T:
        """The result of ``work`` on a connection that writes nothing. Raises like :meth:`write`."""
        return self._run(self._read_once, work)

    def now(self, connection: Connection) -> float:
        """Seconds since the epoch by the clock that all workers share."""
        if not self.is_postgres:
            return self.clock()
        return float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())

    @contextmanager
    def exclusive(self, name: str) -> Iterator[bool]:
        """Whether this process has the lock of that name; given up at the end of the block, or of the process."""
        if self.is_postgres:
            yield from self._advisory(name)
        else:
            yield from self._file_lock(name)

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """The lock of that name, waited for."""
        if self.is_postgres:
            yield from self._waited(name)
        else:
            with self._lock_path(name).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield

    def close(self) -> None:
        self.engine.dispose()

    def _run(self, once: Callable[[W], T], work: W) -> T:
        try:
            return self._retrying(once, work)
        except DBAPIError as error:
            raise as_ledger_error(error, self.engine.url) from error

    def _begin(self, work: Callable[[Connection], T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)

    def _immediately(self, work: Callable[[Connection], T]) -> T:
        with self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                result = work(connection)
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")
            return result

    def _read_once(self, work: Callable[[Connection], T]) -> T:
        with self.engine.connect() as connection:
            return work(connection)

    def _advisory(self, name: str) -> Iterator[bool]:
        connection, held = self._run(self._lock, func.pg_try_advisory_lock(func.hashtext(name)))
        try:
            yield held is True
        finally:
            _unlock(connection, name if held else None)

    def _waited(self, name: str) -> Iterator[None]:
        connection, _ = self._run(self._lock, func.pg_advisory_lock(func.hashtext(name)))
        try:
            yield
        finally:
            _unlock(connection, name)

    def _lock(self, lock: Any) -> tuple[Connection, Any]:
        connection = self.engine.connect()
        try:
            held = connection.execute(select(lock)).scalar()
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection, held

    def _file_lock(self, name: str) -> Iterator[bool]:
        with self._lock_path(name).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _lock_path(self, name: str) -> Path:
        return Path(self.engine.url.database or "ledger.db").with_suffix(f".{name}.lock")


def open_database(
    location: Path | str, clock: Callable[[], float], *, pool_size: int = POOL_SIZE, patience_seconds: float = 60.0
) -> Database:
    """The database in a SQLite file (a path) or behind a ``postgresql+psycopg2://`` address, migrated.

    Raises:
        ConfigurationError: the address is none, or names a database of another kind.
        FormatVersionError: it was written by a newer release.
        StoreCorruptError: the file is no database.
        LedgerUnavailableError: nothing answers at the address.
        LedgerAccessError: it refuses the login, or the right to create tables.
        PartUnavailableError: the client of PostgreSQL is not installed.
    """
    engine = _sqlite(location) if isinstance(location, Path) else _postgres(location, pool_size)
    database = Database(engine, clock, patience_seconds=patience_seconds)
    migrate(database)
    return database


def migrate(database: Database) -> str | None:
    """Brings the schema to :data:`HEAD`; the revision that it was at. Several processes may call this at once."""
    before = database.read(revision)
    if before == HEAD:
        return before
    if before is not None and before > HEAD:
        raise FormatVersionError(
            f"The ledger has schema {before}; this release knows schemas up to {HEAD}.",
            remedy="Use the release that wrote it, or a newer one.",
            found=before,
            expected=HEAD,
        )
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with database.exclusive("migration") as mine:
            if mine:
                if database.read(revision) != HEAD:
                    _upgrade(database)
                return before
        time.sleep(0.1)
    raise LedgerUnavailableError("Another process has been migrating the ledger for a minute.", remedy="Wait for it.")


def revision(connection: Connection) -> str | None:
    """The schema's revision, None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _unlock(connection: Connection, name: str | None) -> None:
    with suppress(DBAPIError):  # a lost connection has lost its locks as well
        if name is not None:
            connection.execute(select(func.pg_advisory_unlock(func.hashtext(name))))
            connection.commit()
    connection.close()


def _sqlite(path: Path) -> Engine:
    path = path.absolute()  # its lock files stay beside it wherever the process goes
    path.parent.mkdir(parents=True, exist_ok=True)
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False}, **JSON_CODEC)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun explicitly, as IMMEDIATE, so that a writer waits at its start
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    outlive_interrupts(engine)
    return engine


def _postgres(url: str, pool_size: int) -> Engine:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number; either may quote the address with its password
        raise ConfigurationError(
            "MK_DATABASE__URL is no database address.", remedy="Give postgresql+psycopg2://user:password@host:port/name."
        ) from None
    if parsed.get_backend_name() != "postgresql":
        raise ConfigurationError(
            f"MK_DATABASE__URL names a {parsed.get_backend_name()} database; the ledger lives in PostgreSQL.",
            remedy="Give postgresql+psycopg2://user:password@host:port/name.",
        )
    if find_spec("psycopg2") is None:
        raise PartUnavailableError.not_installed("The PostgreSQL client psycopg2", "postgres")
    return create_engine(
        parsed.set(drivername="postgresql+psycopg2"),
        connect_args=CONNECT_ARGS,
        pool_size=pool_size,
        max_overflow=pool_size,
        executemany_mode="values_plus_batch",
        **JSON_CODEC,
    )


def _upgrade(database: Database) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")

    def work(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    database.write_schema(work)
