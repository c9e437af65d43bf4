"""The breaker against a model of itself: any sequence of outcomes and waits."""

from __future__ import annotations

import threading

import pybreaker
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import CircuitOpenError, RemoteTimeoutError, RequestRejectedError
from Medical_KG_rev.orchestration.resilience import CircuitBreaker, MemoryBreakerStorage, circuit_breaker
from Medical_KG_rev.orchestration.topology import CircuitBreakerConfig

pytestmark = pytest.mark.unit

CONFIG = CircuitBreakerConfig(failure_threshold=3, reset_seconds=30.0)
OUTCOMES = {"ok": None, "transient": RemoteTimeoutError("slow"), "terminal": RequestRejectedError("400")}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def attempt(breaker: CircuitBreaker, error: Exception | None) -> str:
    try:
        with breaker.guard():
            if error is not None:
                raise error
    except CircuitOpenError:
        return "refused"
    except (RemoteTimeoutError, RequestRejectedError):
        return "failed"
    return "done"


def test_only_transient_failures_in_a_row_open_it() -> None:
    breaker = CircuitBreaker(CONFIG, name="x", clock=Clock())
    for outcome in ("transient", "transient", "terminal", "ok", "transient", "terminal", "transient"):
        attempt(breaker, OUTCOMES[outcome])
    assert breaker.state == "closed"
    attempt(breaker, OUTCOMES["transient"])
    assert breaker.state == "open"


def test_only_one_probe_at_a_time() -> None:
    clock = Clock()
    breaker = CircuitBreaker(CONFIG, name="x", clock=clock)
    for _ in range(3):
        attempt(breaker, OUTCOMES["transient"])
    clock.now = 31
    assert breaker.state == "half_open"
    with breaker.guard():
        assert attempt(breaker, None) == "refused"
    assert breaker.state == "closed"


def test_a_failed_probe_opens_it_again_for_the_whole_time() -> None:
    clock = Clock()
    breaker = CircuitBreaker(CONFIG, name="x", clock=clock)
    for _ in range(3):
        attempt(breaker, OUTCOMES["transient"])
    clock.now = 30
    assert attempt(breaker, OUTCOMES["transient"]) == "failed"
    clock.now = 59
    assert attempt(breaker, None) == "refused"
    clock.now = 60
    assert attempt(breaker, None) == "done"


def test_a_slow_call_stops_no_other() -> None:
    """Pybreaker's own way of calling would hold its lock until the slow call ends."""
    breaker = CircuitBreaker(CONFIG, name="x", clock=Clock())
    release, inside = threading.Event(), threading.Event()

    def slow() -> None:
        with breaker.guard():
            inside.set()
            release.wait(30)

    thread = threading.Thread(target=slow)
    thread.start()
    assert inside.wait(10)
    assert attempt(breaker, None) == "done"
    for _ in range(3):
        attempt(breaker, OUTCOMES["transient"])
    assert breaker.state == "open"
    release.set()
    thread.join()
    assert breaker.state == "open"  # what began before it opened, and succeeds late, does not close it


def test_a_terminal_probe_neither_closes_nor_opens_it() -> None:
    clock = Clock()
    breaker = CircuitBreaker(CONFIG, name="x", clock=clock)
    for _ in range(3):
        attempt(breaker, OUTCOMES["transient"])
    clock.now = 31
    assert attempt(breaker, OUTCOMES["terminal"]) == "failed"
    assert breaker.state == "half_open"
    assert attempt(breaker, None) == "done"
    assert breaker.state == "closed"


def test_changes_of_state_are_told_once_each_in_order() -> None:
    clock, states = Clock(), []
    breaker = CircuitBreaker(CONFIG, name="embed", clock=clock, on_state=lambda *change: states.append(change))
    for _ in range(5):
        attempt(breaker, OUTCOMES["transient"])
    clock.now = 30
    attempt(breaker, OUTCOMES["transient"])
    clock.now = 60
    attempt(breaker, None)
    attempt(breaker, None)
    words = ["open", "half_open", "open", "half_open", "closed"]
    assert states == [("embed", word) for word in words]


def test_the_factory_gives_pybreakers_breaker_with_the_policys_numbers() -> None:
    storage = MemoryBreakerStorage(CONFIG, name="embed", clock=Clock())
    made = circuit_breaker(CONFIG, storage)
    assert isinstance(made, pybreaker.CircuitBreaker)
    assert (made.name, made.fail_max, made.reset_timeout, made.current_state) == ("embed", 3, 30.0, "closed")
    for _ in range(3):
        with pytest.raises(RemoteTimeoutError):
            made.call(raise_timeout)
    assert made.current_state == "open"
    with pytest.raises(pybreaker.CircuitBreakerError):
        made.call(lambda: None)


def raise_timeout() -> None:
    raise RemoteTimeoutError("slow")


@given(st.lists(st.tuples(st.sampled_from(sorted(OUTCOMES)), st.sampled_from([0, 10, 30]))))
def test_refuses_exactly_while_open(steps: list[tuple[str, int]]) -> None:
    clock = Clock()
    breaker = CircuitBreaker(CONFIG, name="x", clock=clock)
    failures, opened_at = 0, None
    for outcome, pause in steps:
        clock.now += pause
        refused = attempt(breaker, OUTCOMES[outcome]) == "refused"
        assert refused == (opened_at is not None and clock.now < opened_at + 30)
        if refused:
            continue
        if outcome == "ok":
            failures, opened_at = 0, None
        elif outcome == "transient":
            failures += 1
            if opened_at is not None or failures >= 3:
                opened_at = clock.now
