"""Retry by error class, on tenacity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from Medical_KG_rev.errors import MedicalKGError, RateLimitedError, TransientError
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig

T = TypeVar("T")

Sleep = Callable[[float], None]
Random = Callable[[], float]
"""A number from [0, 1)."""
Clock = Callable[[], float]
"""Seconds that only ever grow."""
OnRetry = Callable[[int, float, BaseException], None]
"""Told before each wait: the attempt that failed (from 1), the wait in seconds, the error (:func:`reason_of` names it)."""
OnWait = Callable[[float], None]
"""Told how many seconds an attempt waited for its limiter, 0 included."""


def reason_of(error: BaseException) -> str:
    """Why an attempt failed, in one word for metrics, events and ledger: the error's code, or a foreign error's class."""
    return error.code if isinstance(error, MedicalKGError) else type(error).__name__


def backoff_seconds(policy: ResiliencePolicyConfig, failed_attempts: int) -> float:
    """The wait after so many failed attempts, without jitter: initial·2ⁿ⁻¹ or initial·n, at most the policy's maximum."""
    if policy.backoff_strategy == "none":
        return 0.0
    factor = failed_attempts if policy.backoff_strategy == "linear" else 2 ** (failed_attempts - 1)
    return min(policy.initial_backoff_seconds * factor, policy.max_backoff_seconds)


def wait_seconds(policy: ResiliencePolicyConfig, failed_attempts: int, error: BaseException | None, random: Random) -> float:
    """The wait before the next attempt: backoff and jitter, or what the remote asked for if that is longer.

    A ``Retry-After`` above ``max_backoff_seconds`` is cut to it: a job does not hang for hours because a quota is spent; its
    attempts end and the error says so.
    """
    wait = backoff_seconds(policy, failed_attempts) + policy.jitter_seconds * random()
    asked = error.retry_after_seconds if isinstance(error, RateLimitedError) else None
    return max(wait, min(float(asked), policy.max_backoff_seconds)) if asked else wait


def retrying(policy: ResiliencePolicyConfig, *, sleep: Sleep, random: Random, on_retry: OnRetry | None = None) -> Retrying:
    """Tenacity's loop for a policy: transient errors only, exact attempts, the last error raised as it is.

    The object keeps no state between calls except tenacity's statistics, which are per thread.
    """

    def wait(state: RetryCallState) -> float:
        return wait_seconds(policy, state.attempt_number, _error(state), random)

    def before_sleep(state: RetryCallState) -> None:
        error = _error(state)
        if on_retry is not None and error is not None:
            on_retry(state.attempt_number, state.upcoming_sleep, error)

    return Retrying(
        stop=stop_after_attempt(policy.max_attempts),
        wait=wait,
        retry=retry_if_exception_type(TransientError),
        before_sleep=before_sleep,
        sleep=sleep,
        reraise=True,
    )


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
