"""What protects calls: retry by error class, breaker, limiter and time limit, as a policy says.

State that several processes share stands in :mod:`Medical_KG_rev.orchestration.resilience.shared`, which needs SQLAlchemy.
"""

from Medical_KG_rev.orchestration.resilience.breaker import CircuitBreaker, OnState, circuit_breaker
from Medical_KG_rev.orchestration.resilience.breaker_storage import BreakerSnapshot, BreakerStorage, MemoryBreakerStorage
from Medical_KG_rev.orchestration.resilience.caller import PolicyRunner, ResilientCaller
from Medical_KG_rev.orchestration.resilience.deadline import Deadline
from Medical_KG_rev.orchestration.resilience.limiter import Limiter, RateLimiter, async_limiter
from Medical_KG_rev.orchestration.resilience.retry import OnRetry, OnWait, backoff_seconds, reason_of, retrying, wait_seconds
from Medical_KG_rev.orchestration.resilience.state import InProcessState, ResilienceState

__all__ = [
    "BreakerSnapshot",
    "BreakerStorage",
    "CircuitBreaker",
    "Deadline",
    "InProcessState",
    "Limiter",
    "MemoryBreakerStorage",
    "OnRetry",
    "OnState",
    "OnWait",
    "PolicyRunner",
    "RateLimiter",
    "ResilienceState",
    "ResilientCaller",
    "async_limiter",
    "backoff_seconds",
    "circuit_breaker",
    "reason_of",
    "retrying",
    "wait_seconds",
]
