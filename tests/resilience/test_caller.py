"""Retry by error class, exactly as often and as long as the policy says, with injected time."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import (
    CircuitOpenError,
    DagsterStageTimeoutError,
    GpuNotAvailableError,
    MedicalKGError,
    RateLimitedError,
    RemoteTimeoutError,
    RemoteUnavailableError,
    RequestRejectedError,
    RetriesExhaustedError,
)
from Medical_KG_rev.models import Caller
from Medical_KG_rev.orchestration.resilience import (
    InProcessState,
    PolicyRunner,
    ResilientCaller,
    backoff_seconds,
    reason_of,
)
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig

pytestmark = pytest.mark.unit


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


class Flaky:
    """Fails with the given errors, one a call, then answers; counts its calls."""

    def __init__(self, *errors: Exception, forever: Exception | None = None) -> None:
        self.errors = list(errors)
        self.forever = forever
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        if self.forever is not None:
            raise self.forever
        return "answer"


def policy(**changes: Any) -> ResiliencePolicyConfig:
    return ResiliencePolicyConfig.model_validate(
        {"max_attempts": 4, "backoff_strategy": "exponential", "timeout_seconds": 30.0, **changes}
    )


def caller(config: ResiliencePolicyConfig, time: Time, **changes: Any) -> ResilientCaller:
    return ResilientCaller(config, **{"name": "api", "sleep": time.sleep, "random": lambda: 0.0, "clock": time.clock, **changes})


def lost() -> RemoteUnavailableError:
    return RemoteUnavailableError("connection lost", endpoint="/studies", status=503)


def test_it_is_a_caller() -> None:
    made: Caller = ResilientCaller(policy())
    assert made.call(lambda: 7) == 7


def test_o7_default_policy_makes_four_attempts_at_1_2_4_seconds() -> None:
    time, request = Time(), Flaky(forever=lost())
    seen: list[tuple[int, float, str]] = []

    with pytest.raises(RetriesExhaustedError, match="api: 4 attempts failed, the last one with: connection lost") as caught:
        caller(policy(), time, on_retry=lambda n, wait, error: seen.append((n, wait, str(error)))).call(request)

    assert request.calls == 4
    assert time.sleeps == [1.0, 2.0, 4.0]
    assert seen == [(1, 1.0, "connection lost"), (2, 2.0, "connection lost"), (3, 4.0, "connection lost")]
    error = caught.value
    assert isinstance(error.__cause__, RemoteUnavailableError)
    assert (error.attempts, error.last_code, error.status, error.endpoint) == (4, "remote_unavailable", 503, "/studies")


def test_what_would_help_the_last_attempt_is_said_first() -> None:
    refused = RemoteUnavailableError("connection refused", remedy="Start the server.")
    with pytest.raises(RetriesExhaustedError) as caught:
        caller(policy(), Time()).call(Flaky(forever=refused))
    assert caught.value.remedy == "Start the server. Run the same command again later; work done so far is kept."


def test_success_after_failures() -> None:
    time, request = Time(), Flaky(lost(), lost())
    assert caller(policy(), time).call(request) == "answer"
    assert request.calls == 3


@pytest.mark.parametrize(
    "error",
    [RequestRejectedError("400"), GpuNotAvailableError("no GPU"), RetriesExhaustedError("used up"), KeyError("x"), ValueError()],
)
def test_o8_terminal_and_foreign_errors_are_never_retried(error: Exception) -> None:
    time = Time()
    for make in (lambda: caller(policy(), time), lambda: PolicyRunner(policy(), "embed", sleep=time.sleep)):
        request = Flaky(forever=error)
        with pytest.raises(type(error)) as caught:
            make().call(request)
        assert caught.value is error
        assert (request.calls, time.sleeps) == (1, [])


@pytest.mark.parametrize(("asked", "waited"), [(0.2, 1.0), (7, 7.0), ("8", 8.0), (3600, 10.0), (None, 1.0)])
def test_retry_after_is_obeyed_up_to_the_policys_maximum(asked: Any, waited: float) -> None:
    time, request = Time(), Flaky(RateLimitedError("slow down", retry_after_seconds=asked))
    assert caller(policy(), time).call(request) == "answer"
    assert time.sleeps == [waited]


@given(
    config=st.builds(
        policy,
        max_attempts=st.integers(1, 20),
        backoff_strategy=st.sampled_from(["exponential", "linear"]),
        initial_backoff_seconds=st.floats(0.1, 10),
        max_backoff_seconds=st.floats(10, 300),
        jitter_seconds=st.floats(0, 5),
        timeout_seconds=st.just(600.0),
    ),
    randoms=st.lists(st.floats(0, 1, exclude_max=True), min_size=20, max_size=20),
)
def test_any_policy_makes_its_attempts_within_its_bounds(config: ResiliencePolicyConfig, randoms: list[float]) -> None:
    time, request = Time(), Flaky(forever=lost())
    numbers = iter(randoms)

    with pytest.raises(RetriesExhaustedError):
        caller(config, time, random=lambda: next(numbers)).call(request)

    assert request.calls == config.max_attempts
    assert len(time.sleeps) == config.max_attempts - 1
    for attempt, (wait, number) in enumerate(zip(time.sleeps, randoms, strict=False), start=1):
        base = backoff_seconds(config, attempt)
        assert wait == pytest.approx(base + number * config.jitter_seconds)
        assert base <= config.max_backoff_seconds
        grown = attempt if config.backoff_strategy == "linear" else 2 ** (attempt - 1)
        assert base == pytest.approx(min(config.initial_backoff_seconds * grown, config.max_backoff_seconds))


def test_no_backoff_does_not_wait() -> None:
    time = Time()
    assert caller(policy(backoff_strategy="none"), time).call(Flaky(lost())) == "answer"
    assert time.sleeps == [0.0]


def test_jitter_varies_without_injection() -> None:
    time = Time()
    with pytest.raises(RetriesExhaustedError):
        ResilientCaller(policy(max_attempts=20, jitter_seconds=1.0, max_backoff_seconds=1.0), sleep=time.sleep).call(
            Flaky(forever=lost())
        )
    assert len(set(time.sleeps)) > 10
    assert all(1.0 <= wait <= 2.0 for wait in time.sleeps)


def test_the_limiter_counts_attempts_not_calls() -> None:
    time = Time()
    polite = caller(policy(backoff_strategy="none", rate_limit={"per_second": 5.0}), time)
    assert polite.call(Flaky(lost(), lost())) == "answer"
    assert polite.call(Flaky()) == "answer"
    assert time.now == pytest.approx(100.6)


def test_limiter_over_threads_keeps_the_rate() -> None:
    starts: list[float] = []
    lock, ticks = threading.Lock(), itertools.count()

    def sleep(seconds: float) -> None:
        with lock:
            starts.append(round(seconds, 6))

    polite = ResilientCaller(policy(rate_limit={"per_second": 10.0}), sleep=sleep, clock=lambda: 0.0)
    threads = [threading.Thread(target=polite.call, args=(lambda: next(ticks),)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(starts) == [round(0.1 * n, 6) for n in range(1, 20)]


def test_timeout_of_a_request_is_retried() -> None:
    release = threading.Event()
    calls: list[int] = []

    def request() -> str:
        calls.append(1)
        if len(calls) == 1:
            release.wait(30)
        return "answer"

    impatient = ResilientCaller(policy(timeout_seconds=1.0), sleep=lambda _: None)
    assert impatient.call(request) == "answer"
    release.set()
    assert len(calls) == 2


def test_timeouts_alone_exhaust_as_remote_timeout() -> None:
    release = threading.Event()
    impatient = ResilientCaller(policy(max_attempts=1, timeout_seconds=1.0), name="api")
    with pytest.raises(RetriesExhaustedError, match="no answer after 1 s") as caught:
        impatient.call(lambda: release.wait(30))
    release.set()
    assert isinstance(caught.value.__cause__, RemoteTimeoutError)
    assert caught.value.last_code == "remote_timeout"


def test_o9_breaker_opens_probes_and_closes() -> None:
    time = Time()
    config = policy(max_attempts=1, circuit_breaker={"failure_threshold": 5, "reset_seconds": 60.0})
    breaking = caller(config, time)
    for _ in range(5):
        with pytest.raises(RetriesExhaustedError):
            breaking.call(Flaky(forever=lost()))

    request = Flaky()
    with pytest.raises(CircuitOpenError, match="open after 5 failures") as caught:
        breaking.call(request)
    assert request.calls == 0
    assert caught.value.retry_after_seconds == pytest.approx(60.0)

    time.now += 60
    assert breaking.call(Flaky()) == "answer"
    assert breaking.call(Flaky()) == "answer"


def test_a_breaker_counts_attempts_and_ends_the_retries() -> None:
    time = Time()
    request = Flaky(forever=lost())
    with pytest.raises(CircuitOpenError):
        caller(policy(max_attempts=11, circuit_breaker={"failure_threshold": 3, "reset_seconds": 60.0}), time).call(request)
    assert request.calls == 3


def test_runner_raises_the_last_error_as_it_is_and_counts() -> None:
    time = Time()
    runner = PolicyRunner(policy(), "chunk", sleep=time.sleep, random=lambda: 0.0)
    error = lost()
    with pytest.raises(RemoteUnavailableError) as caught:
        runner.call(Flaky(forever=error))
    assert caught.value is error
    assert runner.retries == 3


def test_o15_two_failures_then_success_count_two_retries() -> None:
    time = Time()
    runner = PolicyRunner(policy(), "chunk", sleep=time.sleep)
    assert runner.call(Flaky(lost(), lost())) == "answer"
    assert runner.retries == 2


def test_what_a_caller_gave_up_is_not_tried_again_by_the_runner() -> None:
    """Ruling 24: the requests that reach the remote are the policy's attempts, no more."""
    time, request = Time(), Flaky(forever=lost())
    remote = caller(policy(max_attempts=11, backoff_strategy="linear"), time)
    with pytest.raises(RetriesExhaustedError):
        PolicyRunner(policy(), "ingest", sleep=time.sleep).call(lambda: remote.call(request))
    assert request.calls == 11


def test_o11_a_stage_that_times_out_is_tried_again() -> None:
    release = threading.Event()
    first = itertools.count()
    runner = PolicyRunner(policy(max_attempts=3, timeout_seconds=1.0), "chunk", sleep=lambda _: None)
    assert runner.call(lambda: release.wait(30) if next(first) == 0 else "answer") == "answer"
    release.set()
    assert runner.retries == 1


def test_a_stage_timeout_names_stage_and_limit() -> None:
    release = threading.Event()
    runner = PolicyRunner(policy(max_attempts=1, timeout_seconds=1.0), "kg")
    with pytest.raises(DagsterStageTimeoutError, match="stage 'kg' took more than 1 s") as caught:
        runner.call(lambda: release.wait(30))
    release.set()
    assert (caught.value.stage, caught.value.timeout_seconds) == ("kg", 1.0)


def test_subjects_of_the_last_error_survive() -> None:
    time = Time()

    def fail() -> None:
        raise RateLimitedError("later", source="openalex", retry_after_seconds=5000, attempts="theirs")

    with pytest.raises(MedicalKGError) as caught:
        caller(policy(max_attempts=2), time).call(fail)
    assert (caught.value.source, caught.value.attempts, caught.value.retry_after_seconds) == ("openalex", 2, 5000)


def test_o8_a_missing_gpu_has_its_code_as_the_reason() -> None:
    assert reason_of(GpuNotAvailableError("no GPU")) == "gpu_unavailable"
    assert reason_of(lost()) == "remote_unavailable"
    assert reason_of(KeyError("x")) == "KeyError"


def test_b2_an_embed_call_that_times_out_and_then_succeeds_tells_one_retry() -> None:
    release = threading.Event()
    calls, told = itertools.count(), []
    gpu_bound = policy(max_attempts=2, backoff_strategy="none", timeout_seconds=1.0)
    runner = PolicyRunner(gpu_bound, "embed", on_retry=lambda n, wait, error: told.append((n, wait, reason_of(error))))
    assert runner.call(lambda: release.wait(30) if next(calls) == 0 else "vectors") == "vectors"
    assert (runner.retries, runner.abandoned) == (1, 1)
    assert told == [(1, 0.0, "stage_timeout")]
    runner.close()
    release.set()


def test_waits_for_the_limiter_are_told_and_apart_from_those_of_retries() -> None:
    time, waits, retries = Time(), [], []
    polite = caller(
        policy(rate_limit={"per_second": 0.5}),
        time,
        on_wait=waits.append,
        on_retry=lambda n, wait, error: retries.append(wait),
    )
    assert polite.call(Flaky()) == "answer"
    assert polite.call(Flaky(lost())) == "answer"
    assert waits == [0.0, pytest.approx(2.0), pytest.approx(1.0)]
    assert retries == [1.0]


def test_a_breaker_outlives_the_runners_that_use_it() -> None:
    """A runner lives for one stage of one batch; five failures over many batches are five in a row."""
    time, states = Time(), []
    state = InProcessState(clock=time.clock, sleep=time.sleep, on_state=lambda *change: states.append(change))
    breaking = policy(max_attempts=1, circuit_breaker={"failure_threshold": 5, "reset_seconds": 60.0})

    def run(function: Any, name: str | None = None) -> None:
        runner = PolicyRunner(breaking, "embed", name=name, state=state, sleep=time.sleep)
        try:
            runner.call(function)
        finally:
            runner.close()

    for _ in range(5):
        with pytest.raises(RemoteUnavailableError):
            run(Flaky(forever=lost()))
    with pytest.raises(CircuitOpenError):
        run(Flaky())
    run(Flaky(), name="another")
    assert states == [("embed", "open")]


def test_a_limit_is_shared_by_the_callers_of_one_name() -> None:
    time = Time()
    state = InProcessState(clock=time.clock, sleep=time.sleep)
    limited = policy(rate_limit={"per_second": 2.0})
    for name, total in (("openalex", 0.0), ("openalex", 0.5), ("pubmed", 0.5), ("openalex", 1.0)):
        caller(limited, time, name=name, state=state).call(Flaky())
        assert time.now - 100 == pytest.approx(total)


def test_a_reloaded_policy_starts_with_a_state_of_its_own() -> None:
    state = InProcessState()
    old, new = (policy(circuit_breaker={"failure_threshold": n, "reset_seconds": 60.0}).circuit_breaker for n in (5, 6))
    assert old is not None
    assert new is not None
    first = state.breaker("embed", old, call_seconds=1.0)
    assert state.breaker("embed", old, call_seconds=1.0) is first
    assert state.breaker("embed", new, call_seconds=1.0) is not first


def test_calls_made_ahead_are_made_once_and_a_failed_one_goes_on_with_its_next_attempt() -> None:
    time, made, told = Time(), [], []

    def call(number: int) -> Callable[[], int]:
        def once() -> int:
            made.append(number)
            if number == 1 and made.count(1) == 1:
                raise lost()
            return number

        return once

    calls = [call(number) for number in range(3)]
    runner = PolicyRunner(
        policy(max_attempts=2), "parse", sleep=time.sleep, clock=time, on_retry=lambda attempt, *_rest: told.append(attempt)
    )
    runner.prepare(calls)
    assert made == [0, 1]
    assert [runner.call(each) for each in calls] == [0, 1, 2]
    assert (made, told, runner.retries) == ([0, 1, 1, 2], [1], 1)


def test_nothing_is_made_ahead_of_a_breaker_or_a_limiter() -> None:
    made: list[int] = []
    for guard in ({"circuit_breaker": {"failure_threshold": 3, "reset_seconds": 30}}, {"rate_limit": {"per_second": 5}}):
        PolicyRunner(policy(**guard), "embed").prepare([lambda: made.append(1)])
    assert made == []


def test_a_call_that_hangs_while_it_is_made_ahead_is_a_stage_timeout() -> None:
    release = threading.Event()
    runner = PolicyRunner(policy(max_attempts=1, timeout_seconds=1.0), "parse")
    hangs = functools.partial(release.wait, 30)
    runner.prepare([hangs])
    with pytest.raises(DagsterStageTimeoutError, match="stage 'parse' took more than 1 s"):
        runner.call(hangs)
    assert runner.abandoned == 1
    release.set()
