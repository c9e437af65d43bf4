"""aiolimiter under a clock of our own: the waits of any arrivals, against the rule itself."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from aiolimiter import AsyncLimiter
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.orchestration.resilience import RateLimiter, async_limiter

pytestmark = pytest.mark.unit


class Time:
    def __init__(self, now: float) -> None:
        self.now = now

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(
    per_second=st.floats(0.1, 100),
    start=st.sampled_from([0.0, 12.5, 86_400.0, 1.8e9]),
    pauses=st.lists(st.one_of(st.just(0.0), st.floats(0, 20)), max_size=30),
)
def test_each_call_gets_the_next_free_slot(per_second: float, start: float, pauses: list[float]) -> None:
    time_ = Time(start)
    limiter = RateLimiter(per_second, sleep=time_.sleep, clock=time_.clock)
    free = start
    moments = []
    for pause in pauses:
        time_.now += pause
        arrived = time_.now
        wait = limiter.acquire()
        slot = max(arrived, free)
        assert wait == pytest.approx(slot - arrived, abs=1e-5)
        assert time_.now == pytest.approx(slot, abs=1e-5)
        moments.append(time_.now)
        free = time_.now + 1 / per_second
    for earlier, later in itertools.pairwise(moments):
        assert later - earlier >= 1 / per_second - 1e-5


def test_the_factory_gives_aiolimiters_bucket_for_one_call() -> None:
    limiter = async_limiter(5.0)
    assert isinstance(limiter, AsyncLimiter)
    assert (limiter.max_rate, limiter.time_period) == (1, 0.2)


def test_it_limits_where_an_event_loop_runs_as_in_a_notebook() -> None:
    time_ = Time(0.0)
    limiter = RateLimiter(2.0, sleep=time_.sleep, clock=time_.clock)

    async def cell() -> list[float]:
        waits = [limiter.acquire() for _ in range(3)]
        await asyncio.sleep(0)  # the loop of the notebook is the running one again
        return waits

    assert asyncio.run(cell()) == [0.0, 0.5, 0.5]


def test_real_time() -> None:
    limiter = RateLimiter(20.0, sleep=time.sleep, clock=time.monotonic)
    started = time.monotonic()
    waited = sum(limiter.acquire() for _ in range(5))
    assert 0.19 < time.monotonic() - started < 2
    assert waited <= 0.21
