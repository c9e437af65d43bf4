"""What protects calls: retry by error class, breaker, limiter and time limit, as a policy says."""

from Medical_KG_rev.orchestration.resilience.breaker import CircuitBreaker
from Medical_KG_rev.orchestration.resilience.caller import PolicyRunner, ResilientCaller
from Medical_KG_rev.orchestration.resilience.deadline import Deadline
from Medical_KG_rev.orchestration.resilience.limiter import RateLimiter
from Medical_KG_rev.orchestration.resilience.retry import backoff_seconds, retrying, wait_seconds

__all__ = [
    "CircuitBreaker",
    "Deadline",
    "PolicyRunner",
    "RateLimiter",
    "ResilientCaller",
    "backoff_seconds",
    "retrying",
    "wait_seconds",
]
