"""The two places where a policy applies: a remote request, and one call of a stage. Each error is retried at exactly one."""

from __future__ import annotations

import random as random_module
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

from Medical_KG_rev.errors import (
    DagsterStageTimeoutError,
    MedicalKGError,
    RemoteTimeoutError,
    RetriesExhaustedError,
    TransientError,
)
from Medical_KG_rev.failures import name_gpu_fault
from Medical_KG_rev.orchestration.resilience.deadline import Deadline, Outcome
from Medical_KG_rev.orchestration.resilience.retry import Clock, OnRetry, OnWait, Random, Sleep, reason_of, retrying
from Medical_KG_rev.orchestration.resilience.state import InProcessState, ResilienceState
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig

T = TypeVar("T")

SERIES_SECONDS = 0.25
"""How long calls are made ahead: what they made is in nobody's records yet."""


class _Attempt:
    """One attempt under a policy: limiter → breaker → timeout → call."""

    def __init__(
        self,
        policy: ResiliencePolicyConfig,
        name: str,
        timed_out: Callable[[], MedicalKGError],
        state: ResilienceState,
        on_wait: OnWait | None,
    ) -> None:
        limit, breaker = policy.rate_limit, policy.circuit_breaker
        self._limiter = state.limiter(name, limit) if limit else None
        self._breaker = state.breaker(name, breaker, call_seconds=policy.timeout_seconds) if breaker else None
        self._deadline = Deadline(policy.timeout_seconds, name=name)
        self._timed_out = timed_out
        self._on_wait = on_wait
        self._made: dict[Callable[[], Any], Outcome] = {}

    def prepare(self, functions: Sequence[Callable[[], Any]]) -> None:
        """Makes these attempts now, where nothing but the timeout stands before each; the outcome is kept for its call."""
        if self._limiter is None and self._breaker is None:
            self._made = dict(zip(functions, self._deadline.run_series(functions, SERIES_SECONDS), strict=False))

    def __call__(self, function: Callable[[], T]) -> T:
        if self._limiter is not None:
            waited = self._limiter.acquire()
            if self._on_wait is not None:
                self._on_wait(waited)
        with self._breaker.guard() if self._breaker is not None else nullcontext():
            try:
                return self._run(function)
            except TimeoutError as error:
                raise self._timed_out() from error
            except Exception as error:
                if fault := name_gpu_fault(error):
                    raise fault from error
                raise

    def _run(self, function: Callable[[], T]) -> T:
        if function not in self._made:
            return self._deadline.run(function)
        result, error = self._made.pop(function)
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    @property
    def abandoned(self) -> int:
        return self._deadline.abandoned

    def close(self) -> None:
        self._deadline.close()


class ResilientCaller:
    """Makes remote requests under a policy; the :class:`~Medical_KG_rev.models.Caller` that adapters and back ends are given.

    Limiter and breaker belong to ``name`` in ``state``: of all threads that use this caller, and of whoever else uses that
    name there.

    Args:
        policy: how each request is protected.
        name: of the policy or API: for messages, and the key of limiter and breaker.
        sleep: waits so many seconds.
        random: gives the jitter, from [0, 1).
        clock: seconds for limiter and breaker, where ``state`` is not given.
        state: where limiters and breakers live; this caller has its own unless given.
        on_retry: told before each wait for the next attempt.
        on_wait: told the seconds that each attempt waited for the limiter, 0 included.
    """

    def __init__(
        self,
        policy: ResiliencePolicyConfig,
        *,
        name: str = "remote",
        sleep: Sleep = time.sleep,
        random: Random = random_module.random,
        clock: Clock = time.monotonic,
        state: ResilienceState | None = None,
        on_retry: OnRetry | None = None,
        on_wait: OnWait | None = None,
    ) -> None:
        self._policy = policy
        self._name = name
        state = state or InProcessState(clock=clock, sleep=sleep)
        self._attempt = _Attempt(policy, name, self._timeout_error, state, on_wait)
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
            last = error if isinstance(error, MedicalKGError) else MedicalKGError(str(error))
            raise RetriesExhaustedError(
                f"{self._name}: {attempts} attempts failed, the last one with: {last.message}",
                remedy=f"{last.remedy} Run the same command again later; work done so far is kept.".lstrip(),
                **{**last.subject, "attempts": attempts, "last_code": reason_of(error)},
            ) from error

    @property
    def abandoned(self) -> int:
        """Requests that still run after their time."""
        return self._attempt.abandoned

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
        name: the key of limiter and breaker in ``state``; the stage's name unless given.
        sleep, random, clock, state, on_retry, on_wait: as for :class:`ResilientCaller`.

    Attributes:
        retries: attempts beyond the first, over all calls so far.
    """

    def __init__(
        self,
        policy: ResiliencePolicyConfig,
        stage: str,
        *,
        name: str | None = None,
        sleep: Sleep = time.sleep,
        random: Random = random_module.random,
        clock: Clock = time.monotonic,
        state: ResilienceState | None = None,
        on_retry: OnRetry | None = None,
        on_wait: OnWait | None = None,
    ) -> None:
        self.retries = 0
        self._policy = policy
        self._stage = stage
        self._on_retry = on_retry
        state = state or InProcessState(clock=clock, sleep=sleep)
        self._attempt = _Attempt(policy, name or stage, self._timeout_error, state, on_wait)
        self._retrying = retrying(policy, sleep=sleep, random=random, on_retry=self._count)

    def prepare(self, functions: Sequence[Callable[[], Any]]) -> None:
        """Announces calls that are independent of each other, in their order.

        Where the policy has neither limiter nor breaker, the first attempts are made at once, one after the other on one
        thread, until one fails or :data:`SERIES_SECONDS` have passed. :meth:`call` then goes on from the outcome, and makes
        the attempts that were not made here. Handing each call to a thread by itself costs more than a short call does.
        """
        self._attempt.prepare(functions)

    def call(self, function: Callable[[], T]) -> T:
        """The function's result. Transient errors are retried, and raised as they are when the attempts are used up.

        Raises:
            DagsterStageTimeoutError: the last attempt took too long; its thread may still be running.
            CircuitOpenError: the breaker refused an attempt.
        """
        return self._retrying(self._attempt, function)  # type: ignore[no-any-return]

    @property
    def abandoned(self) -> int:
        """Calls that still run after their time, also after :meth:`close`.

        Nothing in this process can end them. A worker that finds any once a stage is over has the process replaced before
        the next batch: the work done so far is in the ledger, and what a hung call still holds (memory, a lock, a GPU) goes
        with the process.
        """
        return self._attempt.abandoned

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
