"""Breaker and limiter state that processes on many machines share, in PostgreSQL (profile ``services``).

All times are epoch seconds of the database's clock, so that workers whose clocks differ agree. Each operation is one
statement of its own, atomic, outside the caller's transactions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar
from uuid import uuid4

from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN
from sqlalchemy import ColumnElement, Connection, Engine, Executable, Float, Row, and_, cast, extract, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from Medical_KG_rev.errors import LedgerAccessError, LedgerUnavailableError
from Medical_KG_rev.orchestration.ledger.schema import breaker_states, limiter_slots
from Medical_KG_rev.orchestration.resilience.breaker import CircuitBreaker, OnState
from Medical_KG_rev.orchestration.resilience.breaker_storage import BreakerSnapshot, BreakerStorage
from Medical_KG_rev.orchestration.resilience.deadline import Deadline
from Medical_KG_rev.orchestration.resilience.retry import Sleep
from Medical_KG_rev.orchestration.topology import CircuitBreakerConfig, RateLimitConfig

T = TypeVar("T")
STATEMENT_SECONDS = 5.0
PROBE_GRACE_SECONDS = 5.0
INSUFFICIENT_PRIVILEGE = "42501"
UNTOUCHED = BreakerSnapshot(STATE_CLOSED, 0, 0.0)


def _now() -> ColumnElement[float]:
    """The database's clock: epoch seconds at this moment, not at the transaction's start."""
    return cast(extract("epoch", func.clock_timestamp()), Float)


class SharedDatabase:
    """Runs single statements in a bounded time, whatever the engine's own limits are.

    Args:
        engine: of the ledger's PostgreSQL database; its pool is used.
        timeout_seconds: of one statement, connecting included.
    """

    def __init__(self, engine: Engine, *, timeout_seconds: float = STATEMENT_SECONDS) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._timeout_seconds = timeout_seconds
        self._deadline = Deadline(timeout_seconds, name="shared-state")

    def row(self, statement: Executable) -> Row[Any] | None:
        """The first row.

        Raises:
            LedgerUnavailableError: no answer in time, or no connection. Transient.
            LedgerAccessError: the login may not.
        """
        return self._run(lambda connection: connection.execute(statement).first())

    def change(self, statement: Executable) -> int:
        """How many rows were changed. Raises as :meth:`row`."""
        return self._run(lambda connection: connection.execute(statement).rowcount)

    def close(self) -> None:
        """Ends the threads that statements ran on; the engine stays open."""
        self._deadline.close()

    def _run(self, work: Callable[[Connection], T]) -> T:
        def connected() -> T:
            with self._engine.connect() as connection:
                return work(connection)

        try:
            return self._deadline.run(connected)
        except TimeoutError as error:
            raise _unavailable(f"it gave no answer within {self._timeout_seconds:g} s") from error
        except (OperationalError, InterfaceError, PoolTimeoutError) as error:
            raise _unavailable(_first_line(error)) from error
        except ProgrammingError as error:
            if getattr(error.orig, "pgcode", None) != INSUFFICIENT_PRIVILEGE:
                raise
            raise LedgerAccessError(
                f"The ledger's database refuses the shared state of breakers and limiters: {_first_line(error)}.",
                remedy="Grant the login SELECT, INSERT and UPDATE on breaker_states and limiter_slots.",
            ) from error


class SharedBreakerStorage(BreakerStorage):
    """The state of a breaker in the row of its name. Every process that uses the name counts in it.

    A probe has a time: a process that dies with it leaves the breaker half-open until then, and the next attempt is the probe.

    Args:
        probe_seconds: how long a probe may take.
    """

    def __init__(self, database: SharedDatabase, config: CircuitBreakerConfig, *, name: str, probe_seconds: float) -> None:
        super().__init__(name)
        self._database = database
        self._reset_seconds = config.reset_seconds
        self._probe_seconds = probe_seconds
        self._probe: str | None = None
        self._own = breaker_states.c.name == name
        c = breaker_states.c
        self._look = select(c.state, c.failures, self._remaining().label("remaining")).where(self._own)

    def peek(self) -> BreakerSnapshot:
        """The state now."""
        row = self._database.row(self._look)
        return BreakerSnapshot(row.state, row.failures, row.remaining) if row is not None else UNTOUCHED

    def claim_probe(self) -> str | None:
        """The id of the one probe, of all processes, that may go now."""
        probe = uuid4().hex
        c = breaker_states.c
        free = and_(c.state == STATE_HALF_OPEN, or_(c.probe_holder.is_(None), c.probe_until <= _now()))
        claimed = self._database.change(
            update(breaker_states)
            .where(self._own, or_(and_(c.state == STATE_OPEN, self._remaining() <= 0), free))
            .values(state=STATE_HALF_OPEN, probe_holder=probe, probe_until=_now() + self._probe_seconds)
        )
        if not claimed:
            return None
        self._probe = probe
        return probe

    def holds(self, probe: str) -> bool:
        """Whether this probe still decides."""
        return self._database.row(select(breaker_states.c.name).where(self._own, self._is_probe(probe))) is not None

    def release(self, probe: str) -> None:
        """The probe ended and says nothing."""
        self._database.change(
            update(breaker_states).where(self._own, self._is_probe(probe)).values(probe_holder=None, probe_until=None)
        )

    def clear_failures(self) -> None:
        """No failures in a row."""
        closed = breaker_states.c.state == STATE_CLOSED
        self._database.change(update(breaker_states).where(self._own, closed).values(failures=0))

    def increment_counter(self) -> None:
        """One more failure in a row, whichever process made it."""
        first = insert(breaker_states).values(name=self.name, state=STATE_CLOSED, failures=1)
        self._database.change(
            first.on_conflict_do_update(index_elements=["name"], set_={"failures": breaker_states.c.failures + 1})
        )

    @property
    def counter(self) -> int:
        """Failures in a row, over all processes."""
        return self.peek().failures

    @property
    def state(self) -> str:
        """The state, in pybreaker's word."""
        return self.peek().state

    @state.setter
    def state(self, state: str) -> None:
        change = update(breaker_states).where(self._own)
        if state == STATE_OPEN:  # the time of the first to open it counts
            opening = change.where(breaker_states.c.state != STATE_OPEN)
            self._database.change(opening.values(state=state, opened_at=_now(), probe_holder=None, probe_until=None))
        elif state == STATE_CLOSED:
            closing = change.where(self._is_probe(self._probe))
            self._database.change(closing.values(state=state, failures=0, opened_at=None, probe_holder=None, probe_until=None))

    def _is_probe(self, probe: str | None) -> ColumnElement[bool]:
        return and_(breaker_states.c.state == STATE_HALF_OPEN, breaker_states.c.probe_holder == probe)

    def _remaining(self) -> ColumnElement[float]:
        opened_at = func.coalesce(breaker_states.c.opened_at, 0.0)
        elapsed = _now() - opened_at
        open_seconds = func.greatest(self._reset_seconds - elapsed, 0.0)
        return cast(open_seconds, Float)


class SharedRateLimiter:
    """Lets calls start at a steady rate over all processes that use the name; each takes the next slot of its row."""

    def __init__(self, database: SharedDatabase, name: str, per_second: float, *, sleep: Sleep) -> None:
        self._database = database
        self._name = name
        self._interval = 1.0 / per_second
        self._sleep = sleep

    def acquire(self) -> float:
        """Waits for the next slot; how many seconds that took.

        Raises:
            LedgerUnavailableError: the database gives no slot. Transient.
        """
        row = self._database.row(self._next_slot)
        wait = max(float(row.wait), 0.0) if row is not None else 0.0
        if wait > 0:
            self._sleep(wait)
        return wait

    @cached_property
    def _next_slot(self) -> Executable:
        """Takes a slot: the later of now and the next free one. What is left to wait is read as the row is given back."""
        taken = insert(limiter_slots).values(name=self._name, next_slot=_now() + self._interval)
        later = func.greatest(limiter_slots.c.next_slot, _now()) + self._interval
        upsert = taken.on_conflict_do_update(index_elements=["name"], set_={"next_slot": later})
        return upsert.returning((limiter_slots.c.next_slot - self._interval - _now()).label("wait"))


class SharedState:
    """Breakers and limiters by name, shared through the ledger's database. Threads of a process share its objects too.

    Args:
        engine: of the ledger's PostgreSQL database, which has the tables of its schema.
        sleep: waits so many seconds.
        on_state: told of each change of a breaker that this process makes or notices.
        timeout_seconds: of one statement.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        sleep: Sleep = time.sleep,
        on_state: OnState | None = None,
        timeout_seconds: float = STATEMENT_SECONDS,
    ) -> None:
        self._database = SharedDatabase(engine, timeout_seconds=timeout_seconds)
        self._sleep = sleep
        self._on_state = on_state
        self._lock = threading.Lock()
        self._breakers: dict[tuple[str, CircuitBreakerConfig, float], CircuitBreaker] = {}

    def breaker(self, name: str, config: CircuitBreakerConfig, *, call_seconds: float) -> CircuitBreaker:
        """The breaker of that name. A probe whose process dies is replaced after ``call_seconds`` and a little."""
        with self._lock:
            key = name, config, call_seconds
            if key not in self._breakers:
                storage = SharedBreakerStorage(
                    self._database, config, name=name, probe_seconds=call_seconds + PROBE_GRACE_SECONDS
                )
                self._breakers[key] = CircuitBreaker(
                    config, name=name, clock=time.monotonic, storage=storage, on_state=self._on_state
                )
            return self._breakers[key]

    def limiter(self, name: str, config: RateLimitConfig) -> SharedRateLimiter:
        """The limiter of that name."""
        return SharedRateLimiter(self._database, name, config.per_second, sleep=self._sleep)

    def close(self) -> None:
        """Ends the threads that statements ran on; the engine stays open."""
        self._database.close()


def _unavailable(what: str) -> LedgerUnavailableError:
    return LedgerUnavailableError(
        f"The shared state of breakers and limiters cannot be reached: {what}.",
        remedy="Start the ledger's PostgreSQL; calls are tried again meanwhile. `medkg doctor` checks it.",
    )


def _first_line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip().split("\n", 1)[0].rstrip(".")
