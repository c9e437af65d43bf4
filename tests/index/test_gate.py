"""Turns at the cores: so many at a time, the first come first, and none beyond the query's time."""

from __future__ import annotations

import threading

import pytest

from Medical_KG_rev.errors import StoreUnavailableError
from Medical_KG_rev.index.gate import Gate, Turns, places_of_this_machine

pytestmark = pytest.mark.unit


def test_those_who_wait_are_served_in_the_order_in_which_they_came():
    gate, order, threads = Gate(1), [], []
    assert gate.enter(0)

    def come(number):
        assert gate.enter(30)
        order.append(number)
        gate.leave()

    for number in range(8):
        threads.append(threading.Thread(target=come, args=(number,)))
        threads[-1].start()
        while len(gate._waiting) <= number:
            threading.Event().wait(0.001)
    gate.leave()
    for thread in threads:
        thread.join(30)
    assert order == list(range(8))
    assert not gate.is_crowded


def test_never_more_than_there_are_places():
    gate, inside, most = Gate(2), [], []

    def come():
        assert gate.enter(30)
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.001)
        inside.pop()
        gate.leave()

    threads = [threading.Thread(target=come) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (max(most), len(most)) == (2, 20)


def test_who_gives_up_takes_no_place():
    gate = Gate(1)
    assert gate.enter(0)
    assert not gate.enter(0.01)
    gate.leave()
    assert gate.enter(0)


def test_waiting_is_told_and_counts_against_the_budget():
    gate, now = Gate(1), [10.0]
    turns = Turns(gate, 0.05, lambda: now[0])
    with turns.of("bm25"):
        pass
    assert turns.waited_ms == {}
    assert gate.enter(0)
    with pytest.raises(StoreUnavailableError, match="The leg dense had no turn in time"), turns.of("dense"):
        pytest.fail("it was let in")
    waiting = threading.Thread(target=lambda: turns.of("bm25").__enter__())
    waiting.start()
    while not gate._waiting:
        threading.Event().wait(0.001)
    now[0] += 0.02
    gate.leave()
    waiting.join(30)
    assert turns.waited_ms == {"bm25": 20.0}


def test_a_query_that_is_alone_does_not_wait_for_itself():
    assert places_of_this_machine() >= 3
