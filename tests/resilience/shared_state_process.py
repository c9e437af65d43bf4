"""Run by tests as a process of its own: uses shared breakers and limiters as it is told, one JSON command a line."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from sqlalchemy import create_engine

from Medical_KG_rev.errors import CircuitOpenError, RemoteUnavailableError
from Medical_KG_rev.orchestration.resilience.shared import SharedState
from Medical_KG_rev.orchestration.topology import CircuitBreakerConfig, RateLimitConfig


def say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def attempt(state: SharedState, name: str, config: dict[str, Any], outcome: str) -> str:
    """What an attempt of that outcome (ok, fail, hang) meets: done, failed or refused."""
    breaker = state.breaker(name, CircuitBreakerConfig(**config), call_seconds=30.0)
    try:
        with breaker.guard():
            if outcome == "fail":
                raise RemoteUnavailableError("503")
            if outcome == "hang":
                say("hanging")
                time.sleep(3600)
    except CircuitOpenError:
        return "refused"
    except RemoteUnavailableError:
        return "failed"
    return "done"


def starts(state: SharedState, name: str, per_second: float, calls: int) -> list[float]:
    """When each of so many calls might start, by the machine's monotonic clock."""
    limiter = state.limiter(name, RateLimitConfig(per_second=per_second))
    return [limiter.acquire() * 0 + time.monotonic() for _ in range(calls)]


def main(url: str) -> None:
    state = SharedState(create_engine(url))
    commands = {"attempt": attempt, "starts": starts}
    say("ready")
    for line in sys.stdin:
        command, arguments = json.loads(line)
        say(commands[command](state, **arguments))


if __name__ == "__main__":
    main(sys.argv[1])
