"""Breakers and limiters that several processes share through PostgreSQL."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pybreaker
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, delete, select, text, update
from sqlalchemy.pool import NullPool

from Medical_KG_rev.errors import (
    CircuitOpenError,
    LedgerAccessError,
    LedgerUnavailableError,
    RemoteTimeoutError,
    RequestRejectedError,
    RetriesExhaustedError,
)
from Medical_KG_rev.orchestration.ledger.schema import breaker_states, limiter_slots
from Medical_KG_rev.orchestration.resilience import CircuitBreaker, ResilientCaller
from Medical_KG_rev.orchestration.resilience.shared import SharedState
from Medical_KG_rev.orchestration.topology import CircuitBreakerConfig, RateLimitConfig, ResiliencePolicyConfig

from .conftest import OtherProcess

pytestmark = pytest.mark.service

FIVE = {"failure_threshold": 5, "reset_seconds": 60.0}
START = Callable[[], OtherProcess]


class Breaker:
    """A shared breaker, and the database's time moved by moving what stands in its row."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.states: list[tuple[str, str]] = []
        self.shared = SharedState(engine, on_state=lambda *change: self.states.append(change))
        self.breaker = self.shared.breaker("api", CircuitBreakerConfig(**FIVE), call_seconds=30.0)

    def attempt(self, error: Exception | None = None) -> str:
        try:
            with self.breaker.guard():
                if error is not None:
                    raise error
        except CircuitOpenError:
            return "refused"
        except (RemoteTimeoutError, RequestRejectedError):
            return "failed"
        return "done"

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.attempt(RemoteTimeoutError("slow")) == "failed"

    def pass_time(self, seconds: float) -> None:
        c = breaker_states.c
        with self.engine.begin() as connection:
            connection.execute(
                update(breaker_states).values(opened_at=c.opened_at - seconds, probe_until=c.probe_until - seconds)
            )

    def row(self) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(select(breaker_states)).one()


@pytest.fixture
def shared(shared_engine: Engine) -> Iterator[Breaker]:
    made = Breaker(shared_engine)
    yield made
    made.shared.close()


def test_o9_breaker_opens_probes_and_closes_in_the_database(shared: Breaker) -> None:
    shared.fail(4)
    assert shared.breaker.state == "closed"
    shared.fail()
    assert shared.breaker.state == "open"
    assert shared.attempt() == "refused"

    shared.pass_time(59)
    assert shared.attempt() == "refused"
    shared.pass_time(2)
    assert shared.breaker.state == "half_open"
    assert shared.attempt() == "done"

    assert shared.breaker.state == "closed"
    assert shared.states == [("api", "open"), ("api", "half_open"), ("api", "closed")]
    row = shared.row()
    assert (row.state, row.failures, row.opened_at, row.probe_holder, row.probe_until) == ("closed", 0, None, None, None)


def test_terminal_errors_neither_trip_nor_reset_it(shared: Breaker) -> None:
    shared.fail(4)
    assert shared.attempt(RequestRejectedError("400")) == "failed"
    assert shared.row().failures == 4
    assert shared.attempt() == "done"
    assert shared.row().failures == 0


def test_a_failed_probe_opens_it_for_the_whole_time_and_a_terminal_one_leaves_it_to_the_next(shared: Breaker) -> None:
    shared.fail(5)
    shared.pass_time(61)
    shared.fail()
    assert shared.breaker.state == "open"
    with pytest.raises(CircuitOpenError) as caught, shared.breaker.guard():
        pass
    assert 55 < caught.value.retry_after_seconds <= 60

    shared.pass_time(61)
    assert shared.attempt(RequestRejectedError("400")) == "failed"
    assert shared.breaker.state == "half_open"
    assert shared.attempt() == "done"
    assert shared.breaker.state == "closed"


def test_five_failures_in_three_processes_open_it_for_all(shared: Breaker, start_process: START) -> None:
    processes = [start_process() for _ in range(3)]
    for process, failures in zip(processes, (2, 2, 1), strict=True):
        assert shared.breaker.state == "closed"
        for _ in range(failures):
            assert process.ask("attempt", name="api", config=FIVE, outcome="fail") == "failed"

    assert [process.ask("attempt", name="api", config=FIVE, outcome="ok") for process in processes] == ["refused"] * 3
    assert shared.attempt() == "refused"
    assert shared.states == [("api", "open")]
    assert processes[0].ask("attempt", name="other", config=FIVE, outcome="ok") == "done"


def test_one_probe_over_all_processes_closes_it_for_all(shared: Breaker, start_process: START) -> None:
    shared.fail(5)
    shared.pass_time(61)
    other = start_process()
    with shared.breaker.guard():
        assert other.ask("attempt", name="api", config=FIVE, outcome="ok") == "refused"
    assert other.ask("attempt", name="api", config=FIVE, outcome="ok") == "done"


def test_failures_since_another_process_closed_it_are_not_forgotten(shared: Breaker, start_process: START) -> None:
    """A process that notices late that the breaker is closed again must not start the count anew."""
    other = start_process()
    shared.fail(4)
    assert other.ask("attempt", name="api", config=FIVE, outcome="fail") == "failed"  # it has opened the breaker
    shared.pass_time(61)
    assert shared.attempt() == "done"
    shared.fail(3)
    assert other.ask("attempt", name="api", config=FIVE, outcome="fail") == "failed"
    shared.fail()
    assert shared.breaker.state == "open"


def test_a_probe_whose_process_is_killed_is_replaced_after_its_time(shared: Breaker, start_process: START) -> None:
    shared.fail(5)
    shared.pass_time(61)
    doomed = start_process()
    assert doomed.ask("attempt", name="api", config=FIVE, outcome="hang") == "hanging"
    doomed.kill()

    assert shared.breaker.state == "half_open"
    shared.pass_time(34)  # of a call's 30 s and 5 s of grace
    assert shared.attempt() == "refused"
    shared.pass_time(2)
    assert shared.attempt() == "done"
    assert shared.breaker.state == "closed"


def test_a_probe_that_was_replaced_decides_nothing(shared: Breaker) -> None:
    shared.fail(5)
    shared.pass_time(61)

    def be_late() -> None:
        with shared.breaker.guard():
            shared.pass_time(36)
            assert shared.attempt() == "done"
            raise RemoteTimeoutError("late")

    with pytest.raises(RemoteTimeoutError):
        be_late()
    assert shared.breaker.state == "closed"
    assert shared.row().failures == 0


def test_time_is_the_databases_so_that_skewed_workers_agree(shared: Breaker, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(UTC) + timedelta(days=1)

    monkeypatch.setattr(pybreaker, "datetime", Tomorrow)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    shared.fail(5)
    with shared.engine.connect() as connection:
        database = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())::float")).scalar_one()
    assert shared.row().opened_at == pytest.approx(database, abs=10)
    assert shared.attempt() == "refused"


def test_threads_and_failures_at_once_count_every_failure(shared: Breaker) -> None:
    config = CircuitBreakerConfig(failure_threshold=10, reset_seconds=60.0)
    breaker = shared.shared.breaker("many", config, call_seconds=1.0)
    start = threading.Barrier(9)

    def fail() -> None:
        start.wait()
        with pytest.raises(RemoteTimeoutError), breaker.guard():
            raise RemoteTimeoutError("slow")

    threads = [threading.Thread(target=fail) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.row().failures == 9
    with pytest.raises(RemoteTimeoutError), breaker.guard():
        raise RemoteTimeoutError("the tenth")
    assert breaker.state == "open"


def test_five_calls_a_second_hold_over_four_processes(start_process: START) -> None:
    processes = [start_process() for _ in range(4)]
    for process in processes:
        process.tell("starts", name="api", per_second=5.0, calls=5)
    starts = sorted(moment for process in processes for moment in process.answer())

    assert len(starts) == 20
    assert 3.7 < starts[-1] - starts[0] < 6
    late = 0.15  # a process may wake up a little late, and the next one on time
    for index, moment in enumerate(starts):
        in_the_second_after = sum(moment <= other < moment + 1 - late for other in starts[index:])
        assert in_the_second_after <= 5


def test_the_limiter_waits_as_long_as_the_slot_is_away_and_never_bursts(shared_engine: Engine) -> None:
    sleeps: list[float] = []
    state = SharedState(shared_engine, sleep=sleeps.append)
    limiter = state.limiter("api", RateLimitConfig(per_second=0.5))
    waits = [limiter.acquire() for _ in range(4)]
    assert waits == [0.0, *sleeps]
    assert [round(wait) for wait in waits] == [0, 2, 4, 6]
    with shared_engine.begin() as connection:
        connection.execute(update(limiter_slots).values(next_slot=limiter_slots.c.next_slot - 3600))
    assert [round(limiter.acquire()) for _ in range(3)] == [0, 2, 4]  # time that nobody used is gone
    state.close()


def test_a_caller_counts_its_attempts_in_the_database(shared_engine: Engine) -> None:
    policy = ResiliencePolicyConfig.model_validate(
        {
            "max_attempts": 4,
            "backoff_strategy": "none",
            "timeout_seconds": 5.0,
            "circuit_breaker": FIVE,
            "rate_limit": {"per_second": 100.0},
        }
    )
    state = SharedState(shared_engine, sleep=lambda _: None)
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise RemoteTimeoutError("slow")

    with pytest.raises(RetriesExhaustedError):
        ResilientCaller(policy, name="api", state=state, sleep=lambda _: None).call(fail)
    with pytest.raises(CircuitOpenError):
        ResilientCaller(policy, name="api", state=state, sleep=lambda _: None).call(fail)
    assert len(calls) == 5
    state.close()


OUTCOMES = {"ok": None, "transient": RemoteTimeoutError("slow"), "terminal": RequestRejectedError("400")}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(sorted(OUTCOMES)), st.sampled_from([0, 25, 61])), max_size=16))
def test_refuses_exactly_while_open(shared: Breaker, steps: list[tuple[str, int]]) -> None:
    with shared.engine.begin() as connection:
        connection.execute(delete(breaker_states))
    now, failures, opened_at = 0, 0, None
    for outcome, pause in steps:
        now += pause
        shared.pass_time(pause)
        refused = shared.attempt(OUTCOMES[outcome]) == "refused"
        assert refused == (opened_at is not None and now < opened_at + 60)
        if refused or outcome == "terminal":
            continue
        if outcome == "ok":
            failures, opened_at = 0, None
        else:
            failures += 1
            if opened_at is not None or failures >= 5:
                opened_at = now


def test_connections_that_the_server_ended_cost_an_attempt_and_no_call(shared_engine: Engine) -> None:
    """As after a restart of PostgreSQL: the pool is full of dead connections."""
    policy = ResiliencePolicyConfig.model_validate(
        {"max_attempts": 2, "backoff_strategy": "none", "timeout_seconds": 5.0, "circuit_breaker": FIVE}
    )
    state = SharedState(shared_engine)
    caller = ResilientCaller(policy, name="api", state=state, sleep=lambda _: None)
    assert caller.call(lambda: 1) == 1
    admin = create_engine(shared_engine.url, poolclass=NullPool)
    with admin.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    assert caller.call(lambda: 2) == 2
    state.close()


def unreachable(url: str, **arguments: Any) -> SharedState:
    return SharedState(create_engine(url, poolclass=NullPool, **arguments), timeout_seconds=1.0)


def test_a_database_that_is_down_is_a_named_transient_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    state = unreachable(f"postgresql+psycopg2://x@127.0.0.1:{port}/x")
    assert_unavailable(state)


def test_a_database_that_never_answers_does_not_hang_a_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        state = unreachable(f"postgresql+psycopg2://x@127.0.0.1:{silent.getsockname()[1]}/x")
        started = time.monotonic()
        assert_unavailable(state)
        assert time.monotonic() - started < 8


def assert_unavailable(state: SharedState) -> None:
    with pytest.raises(LedgerUnavailableError, match="PostgreSQL"):
        state.limiter("api", RateLimitConfig(per_second=5.0)).acquire()
    called: list[int] = []
    with (
        pytest.raises(LedgerUnavailableError),
        state.breaker("api", CircuitBreakerConfig(**FIVE), call_seconds=1.0).guard(),
    ):
        called.append(1)
    assert called == []
    state.close()


def test_an_outcome_is_not_lost_when_it_cannot_be_counted(
    shared: Breaker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shared.fail()

    def answer() -> str:
        with shared.breaker.guard():
            for method in ("row", "change"):
                monkeypatch.setattr(shared.shared._database, method, broken)
            return "answer"

    def broken(statement: object) -> None:
        raise LedgerUnavailableError("gone")

    with caplog.at_level(logging.WARNING):
        assert answer() == "answer"
    assert "breaker api was not counted: gone" in caplog.text


def test_a_login_without_rights_is_named(shared_engine: Engine) -> None:
    role = f"reader_{shared_engine.url.database}"
    with shared_engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role}"))
    weak = create_engine(shared_engine.url, connect_args={"options": f"-c role={role}"}, poolclass=NullPool)
    state = SharedState(weak)
    with pytest.raises(LedgerAccessError, match="limiter_slots"):
        state.limiter("api", RateLimitConfig(per_second=5.0)).acquire()
    state.close()
    with shared_engine.begin() as connection:
        connection.execute(text(f"DROP ROLE {role}"))


def test_a_breaker_object_is_made_without_the_database() -> None:
    state = unreachable("postgresql+psycopg2://x@127.0.0.1:1/x")
    config = CircuitBreakerConfig(**FIVE)
    made = state.breaker("api", config, call_seconds=1.0)
    assert isinstance(made, CircuitBreaker)
    assert state.breaker("api", config, call_seconds=1.0) is made
