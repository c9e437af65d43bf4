"""The two places where a policy applies: a remote request, and one call of a stage. Each error is retried at exactly one."""

from __future__ import annotations

import random as random_module
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar

from Medical_KG_rev.errors import (
    DagsterStageTimeoutError,
    MedicalKGError,
    RemoteTimeoutError,
    RetriesExhaustedError,
    TransientError,
)
from Medical_KG_rev.orchestration.resilience.breaker import CircuitBreaker
from Medical_KG_rev.orchestration.resilience.deadline import Deadline
from Medical_KG_rev.orchestration.resilience.limiter import RateLimiter
from Medical_KG_rev.orchestration.resilience.retry import Clock, OnRetry, Random, Sleep, retrying
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig

T = TypeVar("T")


class _Attempt:
    """One attempt under a policy: limiter → breaker → timeout → call."""

    def __init__(
        self, policy: ResiliencePolicyConfig, name: str, timed_out: Callable[[], MedicalKGError], sleep: Sleep, clock: Clock
    ) -> None:
        limit, breaker = policy.rate_limit, policy.circuit_breaker
        self._limiter = RateLimiter(limit.per_second, sleep=sleep, clock=clock) if limit else None
        self._breaker = CircuitBreaker(breaker, name=name, clock=clock) if breaker else None
        self._deadline = Deadline(policy.timeout_seconds, name=name)
        self._timed_out = timed_out

    def __call__(self, function: Callable[[], T]) -> T:
        if self._limiter is not None:
            self._limiter.acquire()
        with self._breaker.guard() if self._breaker is not None else nullcontext():
            try:
                return self._deadline.run(function)
            except TimeoutError as error:
                raise self._timed_out() from error

    def close(self) -> None:
        self._deadline.close()


class ResilientCaller:
    """Makes remote requests under a policy; the :class:`~Medical_KG_rev.models.Caller` that adapters and back ends are given.

    One caller per remote API: limiter and breaker are its own, shared by all threads that use it.

    Args:
        policy: how each request is protected.
        name: of the policy or API, for messages.
        sleep: waits so many seconds.
        random: gives the jitter, from [0, 1).
        clock: seconds for limiter and breaker.
        on_retry: told before each wait.
    """

    def __init__(
        self,
        policy: ResiliencePolicyConfig,
        *,
        name: str = "remote",
        sleep: Sleep = time.sleep,
        random: Random = random_module.random,
        clock: Clock = time.monotonic,
        on_retry: OnRetry | None = None,
    ) -> None:
        self._policy = policy
        self._name = name
        self._attempt = _Attempt(policy, name, self._timeout_error, sleep, clock)
        self._retrying = retrying(policy, sleep=sleep, random=random, on_retry=on_retry)

    def call(self, request: Callable[[], T]) -> T:
        """The request's result.

        Raises:
            RetriesExhaustedError: all attempts met transient errors; ``__cause__`` is the last one, ``last_code`` its code,
                ``attempts`` how many there were.
            CircuitOpenError: the breaker refused an attempt.
            Exception: whatever else the request raises, at once.
        """
        try:
            return self._retrying(self._attempt, request)  # type: ignore[no-any-return]
        except TransientError as error:
            attempts = self._policy.max_attempts
            last = error.message if isinstance(error, MedicalKGError) else str(error)
            raise RetriesExhaustedError(
                f"{self._name}: {attempts} attempts failed, the last one with: {last}",
                remedy="Run the same command again later; work done so far is kept.",
                **{
                    **(error.subject if isinstance(error, MedicalKGError) else {}),
                    "attempts": attempts,
                    "last_code": getattr(error, "code", type(error).__name__),
                },
            ) from error

    def close(self) -> None:
        """Ends the threads that requests ran on."""
        self._attempt.close()

    def _timeout_error(self) -> MedicalKGError:
        seconds = self._policy.timeout_seconds
        return RemoteTimeoutError(f"{self._name}: no answer after {seconds:g} s.", timeout_seconds=seconds)


class PolicyRunner:
    """Makes the calls of one stage under its policy. Used by one thread.

    Args:
        policy: how each call is protected.
        stage: the stage's name, for messages and errors.
        sleep, random, clock, on_retry: as for :class:`ResilientCaller`.

    Attributes:
        retries: attempts beyond the first, over all calls so far.
    """

    def __init__(
        self,
        policy: ResiliencePolicyConfig,
        stage: str,
        *,
        sleep: Sleep = time.sleep,
        random: Random = random_module.random,
        clock: Clock = time.monotonic,
        on_retry: OnRetry | None = None,
    ) -> None:
        self.retries = 0
        self._policy = policy
        self._stage = stage
        self._on_retry = on_retry
        self._attempt = _Attempt(policy, stage, self._timeout_error, sleep, clock)
        self._retrying = retrying(policy, sleep=sleep, random=random, on_retry=self._count)

    def call(self, function: Callable[[], T]) -> T:
        """The function's result. Transient errors are retried, and raised as they are when the attempts are used up.

        Raises:
            DagsterStageTimeoutError: the last attempt took too long; its thread may still be running.
            CircuitOpenError: the breaker refused an attempt.
        """
        return self._retrying(self._attempt, function)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Ends the threads that calls ran on."""
        self._attempt.close()

    def _count(self, attempt: int, wait: float, error: BaseException) -> None:
        self.retries += 1
        if self._on_retry is not None:
            self._on_retry(attempt, wait, error)

    def _timeout_error(self) -> MedicalKGError:
        seconds = self._policy.timeout_seconds
        return DagsterStageTimeoutError(
            f"A call of stage '{self._stage}' took more than {seconds:g} s.",
            remedy="Make the slices smaller, or raise timeout_seconds of the stage's policy.",
            stage=self._stage,
            timeout_seconds=seconds,
        )
