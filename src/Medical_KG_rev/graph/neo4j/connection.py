"""The connection to Neo4j: transactions, their retries, and what their failures mean."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from Medical_KG_rev.errors import (
    ConfigurationError,
    IndexMismatchError,
    MedicalKGError,
    PartUnavailableError,
    StorageFullError,
    StoreCorruptError,
    StoreOutOfMemoryError,
    StoreUnavailableError,
)
from Medical_KG_rev.models import Caller
from Medical_KG_rev.settings_neo4j import Neo4jSettings

if TYPE_CHECKING:
    from neo4j import Driver, Query, Session, Transaction
    from neo4j.api import BookmarkManager

T = TypeVar("T")

ROWS_PER_STATEMENT = 1_000
_IDLE_SECONDS = 1.0
"""A connection unused for longer is tried before it is trusted: the server may have been started anew."""
_REMEDY = "Check that it runs (`medkg doctor`) and run the same command again; what was committed is kept."
_PLAIN = "If the server speaks without TLS, write MK_NEO4J__URL without `+s`, and leave MK_NEO4J__CA_FILE out. " + _REMEDY
_ENCRYPTED = "If the server wants TLS, write MK_NEO4J__URL with `+s`, or give MK_NEO4J__CA_FILE. " + _REMEDY
_LOGIN = "Check MK_NEO4J__USER and MK_NEO4J__PASSWORD, and that they may read, write and make constraints and indexes."
_FIRST_LOGIN = "The password is the first one: give the user a new one (ALTER CURRENT USER SET PASSWORD FROM … TO …)."
_FULL = ("disk space", "No space left", "out of disk", "DiskFull")
_MAY_PASS = ("Neo.TransientError.", "Neo.ClientError.Transaction.")
"""The second: the transaction was ended, because it took or waited too long or because the server stops."""


class Graph:
    """One open transaction: statements in, plain rows out. Everything that it writes belongs to ``tenant``."""

    def __init__(self, transaction: Transaction, tenant: str) -> None:
        self._transaction = transaction
        self.tenant = tenant

    def rows(self, statement: str, **parameters: Any) -> list[list[Any]]:
        """All rows that one statement returns; ``$tenant`` is given."""
        return self._transaction.run(statement, {"tenant": self.tenant, **parameters}).values()

    def stream(self, statement: str, **parameters: Any) -> Iterator[list[Any]]:
        """The rows of one statement as the server has them ready; other statements may run meanwhile."""
        for record in self._transaction.run(statement, {"tenant": self.tenant, **parameters}):
            yield record.values()

    def first(self, statement: str, parameters: Mapping[str, Any], limit: int) -> tuple[list[str], list[Any], bool]:
        """Column names, at most ``limit`` records with the driver's own values, and whether there are more."""
        result = self._transaction.run(statement, dict(parameters))
        columns = list(result.keys())
        found = result.fetch(limit + 1)
        return columns, found[:limit], len(found) > limit

    def count(self, statement: str, **parameters: Any) -> int:
        """The number that a statement returns as its only value."""
        return int(self.rows(statement, **parameters)[0][0])

    def for_each(self, statement: str, rows: Iterable[Any], **parameters: Any) -> list[list[Any]]:
        """Runs ``UNWIND rows AS r <statement>``, :data:`ROWS_PER_STATEMENT` at a time; what all of them return."""
        pending, found = iter(rows), list[list[Any]]()
        while part := list(islice(pending, ROWS_PER_STATEMENT)):
            found += self.rows(f"UNWIND $rows AS r {statement}", rows=part, **parameters)
        return found

    def total(self, statement: str, rows: Iterable[Any]) -> int:
        """The sum of the numbers that :meth:`for_each` returns."""
        return sum(int(row[0]) for row in self.for_each(statement, rows))


class Neo4jConnection:
    """One server or cluster, safe to use from many threads. Connects at the first transaction.

    Args:
        settings: where it is, and how long it may take.
        caller: makes transactions that write under a policy; without one they are tried once.
    """

    def __init__(self, settings: Neo4jSettings, caller: Caller | None = None) -> None:
        self.url = settings.url
        self.settings = settings
        self._caller = caller

    def close(self) -> None:
        """Closes the connections; the next transaction opens them again."""
        driver = self.__dict__.pop("_driver", None)
        if driver is not None:
            driver.close()

    def read(self, tenant: str, work: Callable[[Graph], T], *, timeout_seconds: float | None = None) -> T:
        """What ``work`` returns from a transaction that can only read."""
        with translated(self.settings), self.transaction(tenant, writes=False, timeout_seconds=timeout_seconds) as graph:
            return work(graph)

    def write(self, tenant: str, work: Callable[[Graph], T], *, once: bool = False) -> T:
        """What ``work`` returns from a transaction that was committed, or is not there at all.

        A deadlock, a lost connection and the like are tried again, from the start, under the caller's policy; where the
        connection is lost while it commits, the first attempt may have been committed too. ``once``: that must not be.
        """

        def attempt() -> T:
            with translated(self.settings), self.transaction(tenant, writes=True) as graph:
                return work(graph)

        return attempt() if once or self._caller is None else self._caller.call(attempt)

    def run(self, statement: str) -> list[list[Any]]:
        """The rows of a statement that stands in no transaction of ours, such as one that changes the schema."""
        with translated(self.settings), self._session(writes=True) as session:
            return session.run(self._timed(statement)).values()

    @contextmanager
    def transaction(self, tenant: str, *, writes: bool, timeout_seconds: float | None = None) -> Iterator[Graph]:
        """A transaction, committed when the block ends and rolled back when it raises. The driver's errors are not translated."""
        seconds = timeout_seconds or (self.settings.write_seconds if writes else self.settings.read_seconds)
        with self._session(writes=writes) as session, session.begin_transaction(timeout=seconds) as transaction:
            yield Graph(transaction, tenant)

    def version(self) -> str:
        """The server's name and version, once it has answered."""
        with translated(self.settings):
            return self._driver.get_server_info().agent.replace("/", " ")

    def _timed(self, statement: str) -> Query:
        from neo4j import Query

        return Query(statement, timeout=self.settings.write_seconds)

    def _session(self, *, writes: bool) -> Session:
        from neo4j import READ_ACCESS, WRITE_ACCESS

        mode = WRITE_ACCESS if writes else READ_ACCESS
        options: dict[str, Any] = {"bookmark_manager": self._bookmarks} if self.url.startswith("neo4j") else {}
        return self._driver.session(database=self.settings.database, default_access_mode=mode, **options)

    @cached_property
    def _bookmarks(self) -> BookmarkManager:
        """Members of a cluster answer only when they have seen what this process has written."""
        from neo4j import GraphDatabase

        return GraphDatabase.bookmark_manager()

    @cached_property
    def _driver(self) -> Driver:
        from neo4j import GraphDatabase, NotificationMinimumSeverity, TrustCustomCAs
        from neo4j.exceptions import ConfigurationError as DriverConfigurationError

        # What it would print is in the errors that it raises.
        logging.getLogger("neo4j").addHandler(logging.NullHandler())
        settings = self.settings
        trust: dict[str, Any] = {}
        if settings.ca_file is not None:
            trust = {"encrypted": True, "trusted_certificates": TrustCustomCAs(str(settings.ca_file))}
        try:
            return GraphDatabase.driver(
                settings.url,
                auth=(settings.user, settings.password.get_secret_value()) if settings.user else None,
                max_connection_pool_size=settings.pool_size,
                connection_timeout=settings.connect_seconds,
                connection_acquisition_timeout=settings.connect_seconds,
                liveness_check_timeout=_IDLE_SECONDS,
                notifications_min_severity=NotificationMinimumSeverity.OFF,
                telemetry_disabled=True,
                user_agent="medical-kg-rev",
                **trust,
            )
        except (DriverConfigurationError, ValueError) as error:
            raise ConfigurationError(
                f"{settings.url!r} is not the address of a Neo4j server: {first_line(error)}.",
                remedy="Write bolt://host:port.",
                endpoint=settings.url,
            ) from error


@contextmanager
def translated(settings: Neo4jSettings) -> Iterator[None]:
    """Gives the driver's errors their place in the tree.

    Raises:
        StoreUnavailableError: what may pass: no connection, a deadlock, too much to do, a transaction that took too long.
        StoreOutOfMemoryError: a transaction that needs more memory than the server gives; a smaller one may pass.
        StorageFullError: the server has run out of disk.
        StoreCorruptError: the server says that what it holds is damaged.
        ConfigurationError: a wrong login, missing rights, no such database, a certificate nobody vouches for, no address.
        IndexMismatchError: what the database holds has another form.
        PartUnavailableError: the driver is not installed.
    """
    try:
        from neo4j.exceptions import DriverError, Neo4jError
    except ImportError as error:
        raise PartUnavailableError.not_installed("The driver of Neo4j", "neo4j") from error
    try:
        yield
    except Neo4jError as error:
        raise _answered(error, settings) from error
    except (DriverError, OSError) as error:
        raise _unreached(error, settings) from error


def _unreached(error: Exception, settings: Neo4jSettings) -> MedicalKGError:
    causes = list(_causes(error))
    told = " ".join(map(str, causes))
    reason = first_line(causes[-1])
    if "CERTIFICATE_VERIFY_FAILED" in told:
        problem, remedy = f"cannot be trusted: {reason}", "Name the file with its certificate authority: MK_NEO4J__CA_FILE."
    elif "NO_CERTIFICATE" in told:
        problem, remedy = f"is given a file without a certificate: {settings.ca_file}", "Correct MK_NEO4J__CA_FILE."
    elif "looks like HTTP" in told:
        problem, remedy = "answers in HTTP", "Give the port of Bolt in MK_NEO4J__URL: 7687 unless the server has another."
    elif any(isinstance(cause, ssl.SSLError) for cause in causes):
        return unavailable(settings.url, f"TLS fails: {reason}", _PLAIN)
    elif "andshake response" in told:
        return unavailable(settings.url, f"its greeting is none of Bolt: {reason}", _ENCRYPTED)
    else:
        return unavailable(settings.url, reason)
    return ConfigurationError(f"Neo4j at {settings.url} {problem}.", remedy=remedy, endpoint=settings.url)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and what led to it, the first cause last."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _causes(member)
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)


def _answered(error: Any, settings: Neo4jSettings) -> MedicalKGError:
    code, reason, url = str(error.code or ""), str(error.message or error), settings.url
    if any(sign in reason or sign in code for sign in _FULL):
        return StorageFullError(
            f"Neo4j at {url} has no room: {reason}.",
            remedy="Free space there and run the same command again; what was committed is kept.",
            endpoint=url,
        )
    if code == "Neo.ClientError.Security.AuthenticationRateLimit":
        return unavailable(url, "there were too many wrong logins", _LOGIN + " It answers again after some seconds.")
    if code.startswith("Neo.ClientError.Security."):
        return ConfigurationError(
            f"Neo4j at {url} refuses the login ({code.rpartition('.')[2]}).",
            remedy=_FIRST_LOGIN if code.endswith(".CredentialsExpired") else _LOGIN,
            endpoint=url,
        )
    if code == "Neo.ClientError.Database.DatabaseNotFound":
        return ConfigurationError(
            f"Neo4j at {url} has no database {settings.database!r}.",
            remedy="Name one that is there: MK_NEO4J__DATABASE; the community edition has `neo4j` alone.",
            endpoint=url,
        )
    if "OutOfMemory" in code:
        return StoreOutOfMemoryError(
            f"Neo4j at {url} gives a transaction less memory than this one needs: {reason.rstrip('.')}.",
            remedy="Give the server more memory (server.memory.heap.max_size), then `medkg jobs retry`.",
            endpoint=url,
            store="neo4j",
        )
    if code.startswith(_MAY_PASS) or error.is_retryable():
        return unavailable(url, f"{reason.rstrip('.')} ({code})")
    if code.startswith("Neo.DatabaseError.") and ("orrupt" in reason or "nconsisten" in reason):
        return StoreCorruptError(
            f"Neo4j at {url} says that what it holds is damaged: {reason}.",
            remedy="Check it with `neo4j-admin database check`, or restore a backup: `medkg restore`.",
            endpoint=url,
        )
    return IndexMismatchError(
        f"Neo4j at {url} does not take a statement of ours: {reason.splitlines()[0]} ({code}).",
        remedy="Its version is none that this system knows (5.x), or the database holds what is not ours: `medkg doctor`.",
        found=code,
    )


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".: ")


def unavailable(url: str, reason: str, remedy: str = _REMEDY) -> StoreUnavailableError:
    """The error of a server that may answer later."""
    return StoreUnavailableError(f"Neo4j at {url} does not answer: {reason}.", remedy=remedy, endpoint=url, store="neo4j")
