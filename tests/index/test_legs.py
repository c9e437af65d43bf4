"""Legs side by side: budgets, lateness, failure, and what is left open for a leg that goes on."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack

import pytest

from Medical_KG_rev.errors import (
    IndexMismatchError,
    ModelNotInstalledError,
    PartUnavailableError,
    RemoteUnavailableError,
    StoreUnavailableError,
)
from Medical_KG_rev.index.legs import LegRun, Threads, wait_for_all

pytestmark = pytest.mark.unit

HITS = [(3, 2.0), (1, 1.0)]


class Clock:
    """Seconds that pass when a test says so."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def released():
    """Set at the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


def until_one_is_done(futures, _seconds):
    wait(futures, 30, FIRST_COMPLETED)


def running(searches, *, threads=None, timeout_seconds=30.0, clock=None, wait_for=wait_for_all):
    return LegRun(searches, threads or Threads(), timeout_seconds, clock or Clock(), wait_for)


def failing(error):
    def search(_depth):
        raise error

    return search


def test_legs_run_at_the_same_time():
    meeting = threading.Barrier(3, timeout=30)

    def search(depth):
        meeting.wait()
        return HITS[:depth]

    outcomes = running({"bm25": search, "sparse": search, "dense": search})(1)
    assert {leg: outcome.scored for leg, outcome in outcomes.items()} == dict.fromkeys(("bm25", "sparse", "dense"), HITS[:1])


def test_a_late_leg_is_named_and_the_others_count(released):
    clock = Clock()

    def late(_depth):
        released.wait(30)
        return HITS

    def wait_for(futures, seconds):
        assert seconds == 0.5
        until_one_is_done(futures, seconds)
        clock.now += seconds

    outcomes = running({"bm25": lambda _: HITS, "dense": late}, timeout_seconds=0.5, clock=clock, wait_for=wait_for)(10)
    assert (outcomes["bm25"].scored, outcomes["bm25"].error) == (HITS, None)
    assert isinstance(outcomes["dense"].error, StoreUnavailableError)
    assert "dense did not answer within 0.5 s" in str(outcomes["dense"].error)
    assert outcomes["dense"].took_ms == 500.0


def test_what_a_late_leg_uses_stays_open_until_it_ends(released):
    closed = threading.Event()

    def late(_depth):
        released.wait(30)
        return [] if closed.is_set() else HITS

    run = running({"bm25": lambda _: HITS, "dense": late}, wait_for=until_one_is_done)
    with ExitStack() as stack:
        stack.callback(closed.set)
        run(10)
        run.close_after(stack)
    assert not closed.is_set()
    released.set()
    assert closed.wait(30)


def test_a_leg_that_fails_is_named():
    outcomes = running({"bm25": lambda _: HITS, "dense": failing(RemoteUnavailableError("The endpoint is away."))})(10)
    assert str(outcomes["dense"].error) == "The endpoint is away."
    assert outcomes["bm25"].error is None


def test_no_leg_at_all_is_an_error():
    away = RemoteUnavailableError("The endpoint is away.")
    with pytest.raises(RemoteUnavailableError, match="The endpoint is away"):
        running({"dense": failing(away)})(10)
    with pytest.raises(PartUnavailableError, match=r"No leg could answer\. bm25: Broken\. dense: The endpoint is away\."):
        running({"bm25": failing(StoreUnavailableError("Broken.")), "dense": failing(away)})(10)


@pytest.mark.parametrize("error", [IndexMismatchError("another model"), ModelNotInstalledError("no model"), ZeroDivisionError()])
def test_what_no_retry_mends_ends_the_search(error):
    with pytest.raises(type(error)):
        running({"bm25": lambda _: HITS, "dense": failing(error)})(10)


def test_a_leg_that_fails_deeper_down_keeps_what_it_gave():
    asked = []

    def search(depth):
        asked.append(depth)
        if depth > 2:
            raise StoreUnavailableError("Gone.")
        return HITS

    run = running({"bm25": lambda depth: [(vid, -float(vid)) for vid in range(depth)], "dense": search})
    assert run(2)["dense"].error is None
    assert not run.is_exhausted(2)
    outcomes = run(4)
    assert (outcomes["dense"].scored, str(outcomes["dense"].error)) == (HITS, "Gone.")
    run(8)
    assert asked == [2, 4]
    assert not run.is_exhausted(8)


def test_waiting_ends_when_all_are_done_or_time_is_up():
    done, failed, pending = Future(), Future(), Future()
    done.set_result(HITS)
    failed.set_exception(StoreUnavailableError("Gone."))
    wait_for_all([done, failed], 3600)
    wait_for_all([done, pending, failed], 0.01)
    wait_for_all([pending], 0)
    assert not pending.done()


def test_the_budget_is_one_for_all_depths():
    clock, allowed = Clock(), []

    def search(_depth):
        return HITS

    def wait_for(futures, seconds):
        wait(futures, 30)
        allowed.append(seconds)
        clock.now += 2

    run = running({"bm25": search}, timeout_seconds=5, clock=clock, wait_for=wait_for)
    for depth in (1, 2, 3, 4):
        run(depth)
    assert allowed == [5, 3, 1, 0]


def test_a_store_that_hangs_takes_no_more_threads_than_it_may(released):
    threads = Threads(at_once=2)

    def hanging(_depth):
        released.wait(30)
        return HITS

    def search(wait_for):
        return running({"bm25": lambda _: HITS, "dense": hanging}, threads=threads, wait_for=wait_for)(10)

    assert "did not answer" in str(search(until_one_is_done)["dense"].error)
    assert "did not answer" in str(search(until_one_is_done)["dense"].error)
    crowded = search(wait)
    assert str(crowded["dense"].error) == "2 searches of the leg dense are still running. Try again later."
    assert crowded["bm25"].scored == HITS


def test_threads_serve_one_call_after_another_and_end_when_told():
    threads = Threads()
    before = threading.active_count()
    for _ in range(50):
        running({"bm25": lambda _: HITS, "dense": lambda _: HITS}, threads=threads)(1)
    assert threading.active_count() <= before + 4
    threads.close()
    for _ in range(1000):
        if threading.active_count() <= before:
            return
        threading.Event().wait(0.01)
    pytest.fail("threads without work went on")
