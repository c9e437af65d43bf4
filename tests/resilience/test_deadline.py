"""The time limit: results, errors, context and threads."""

from __future__ import annotations

import contextvars
import gc
import os
import signal
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from Medical_KG_rev.orchestration.resilience import Deadline

pytestmark = pytest.mark.unit


def threads(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def wait_until_none(name: str) -> None:
    end = time.monotonic() + 10
    while threads(name) and time.monotonic() < end:
        time.sleep(0.01)
    assert threads(name) == 0


def test_one_thread_serves_many_calls_and_sees_the_context() -> None:
    tenant = contextvars.ContextVar("tenant", default="none")
    deadline = Deadline(10, name="d-reuse")
    idents = set()
    for number in range(50):
        tenant.set(str(number))
        assert deadline.run(tenant.get) == str(number)
        idents.add(deadline.run(threading.get_ident))
    assert len(idents) == 1
    assert threading.get_ident() not in idents
    deadline.close()
    wait_until_none("d-reuse")


def test_errors_pass_as_they_are() -> None:
    deadline = Deadline(10)
    error = KeyError("x")

    def fail() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        deadline.run(fail)
    assert caught.value is error
    assert deadline.run(lambda: 1) == 1


def test_a_timed_out_thread_is_replaced_and_ends_after_its_call() -> None:
    deadline = Deadline(0.05, name="d-late")
    release = threading.Event()
    with pytest.raises(TimeoutError):
        deadline.run(lambda: release.wait(30))
    assert deadline.run(lambda: "next") == "next"
    assert threads("d-late") == 2
    release.set()
    deadline.close()
    wait_until_none("d-late")


def test_what_still_runs_after_its_time_is_counted_until_it_ends() -> None:
    """So that a worker knows when its process holds calls that nothing but the process's end can stop."""
    deadline = Deadline(0.05, name="d-counted")
    releases = [threading.Event() for _ in range(3)]
    for release in releases:
        with pytest.raises(TimeoutError):
            deadline.run(lambda release=release: release.wait(30))
    assert deadline.run(lambda: "next") == "next"
    deadline.close()
    assert deadline.abandoned == 3
    for left, release in zip((2, 1, 0), releases, strict=True):
        release.set()
        end = time.monotonic() + 10
        while deadline.abandoned > left and time.monotonic() < end:
            time.sleep(0.01)
        assert deadline.abandoned == left


def test_many_threads_at_once_get_their_own_answers() -> None:
    deadline = Deadline(30, name="d-many")
    wrong: list[int] = []

    def work(number: int) -> None:
        wrong.extend(number for _ in range(200) if deadline.run(lambda: number) != number)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert threads("d-many") <= 8
    deadline.close()
    wait_until_none("d-many")


def test_a_forgotten_deadline_leaves_no_threads_and_keeps_no_results() -> None:
    class Result:
        pass

    deadline = Deadline(10, name="d-gone")
    result = weakref.ref(deadline.run(Result))
    gc.collect()
    assert result() is None
    del deadline
    gc.collect()
    wait_until_none("d-gone")


def test_a_deadline_may_call_itself() -> None:
    deadline = Deadline(10)
    assert deadline.run(lambda: deadline.run(lambda: 3)) == 3


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where whoever runs the tests ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_while_waiting_passes_and_the_late_answer_reaches_nobody() -> None:
    deadline = Deadline(30, name="d-interrupted")
    release = threading.Event()
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        deadline.run(lambda: release.wait(30) and "late")
    assert time.monotonic() - started < 10
    timer.join()
    release.set()
    assert deadline.run(lambda: "next") == "next"
    deadline.close()
    wait_until_none("d-interrupted")


def test_a_series_runs_on_one_thread_in_order_and_ends_at_the_first_error() -> None:
    deadline, error, ran = Deadline(10), KeyError("x"), []

    def fail() -> None:
        raise error

    assert deadline.run_series([threading.get_ident] * 3, 10) == [(deadline.run(threading.get_ident), None)] * 3
    assert deadline.run_series([lambda: 1, fail, lambda: ran.append(2)], 10) == [(1, None), (None, error)]
    assert ran == []


def test_no_call_of_a_series_is_begun_after_its_time() -> None:
    deadline = Deadline(10)
    assert deadline.run_series([lambda: time.sleep(0.05)] * 100, 0.01) == [(None, None)]
    assert deadline.run(lambda: "next") == "next"


def test_each_call_of_a_series_has_its_own_limit_and_none_follows_one_that_is_late() -> None:
    deadline, release, ran = Deadline(0.2), threading.Event(), []
    short = [lambda: time.sleep(0.05)] * 6  # longer than the limit together
    outcomes = deadline.run_series([*short, lambda: release.wait(30), lambda: ran.append(1)], 10)
    assert outcomes[:-1] == [(None, None)] * 6
    assert isinstance(outcomes[-1][1], TimeoutError)
    assert deadline.abandoned == 1
    release.set()
    end = time.monotonic() + 10
    while deadline.abandoned and time.monotonic() < end:
        time.sleep(0.01)
    assert (deadline.abandoned, ran) == (0, [])
