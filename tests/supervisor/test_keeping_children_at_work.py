"""What the supervisor does when its children end: well, badly, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from Medical_KG_rev.errors import LedgerUnavailableError, ModelNotInstalledError, UsageError
from Medical_KG_rev.observability.metrics import Metrics
from Medical_KG_rev.supervisor import FAULTS_IN_A_ROW, Child, Supervisor
from Medical_KG_rev.worker_client import WorkerEndedError, WorkerSilentError

pytestmark = pytest.mark.unit

RESULT = {"event": "result", "result": {"batches": 0}}
BATCH = {"event": "batch", "number": 1, "documents": 5}
REPLACE = {"event": "replace", "command": {"command": "work"}}
Script = list[dict[str, Any] | BaseException]


class ScriptedChild:
    """Tells what it is given; raises what is an error; at the end of its script it works until it is asked to end."""

    def __init__(self, pid: int, script: Script) -> None:
        self.pid = pid
        self.asked: list[str] = []
        self._script = script
        self._end = threading.Event()

    def events(self) -> Iterator[dict[str, Any]]:
        for step in self._script:
            if isinstance(step, BaseException):
                raise step
            yield step
        assert self._end.wait(10)
        if self.asked[-1] == "drain":
            yield RESULT
        else:
            raise KeyboardInterrupt

    def drain(self) -> None:
        self._ask("drain")

    def interrupt(self) -> None:
        self._ask("interrupt")

    def kill(self) -> None:
        self._ask("kill")

    def stop(self, *, interrupt: bool) -> None:
        self.asked.append(f"stop {interrupt}")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        self._end.set()


class Nursery:
    """Starts children, each with the next script."""

    def __init__(self, scripts: Iterable[Script]) -> None:
        self.children: list[ScriptedChild] = []
        self.events: list[dict[str, Any]] = []
        self.metrics = Metrics()
        self._scripts = iter(scripts)
        self._lock = threading.Lock()

    def start(self) -> Child:
        with self._lock:
            self.children.append(ScriptedChild(len(self.children) + 1, next(self._scripts)))
            return self.children[-1]

    def supervisor(self, processes: int = 1, *, once: bool = False) -> Supervisor:
        return Supervisor(self.start, processes, self.events.append, self.metrics, once=once, pause_seconds=0.001)

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (WorkerEndedError("killed"), "worker_ended"),
        (WorkerSilentError("silent"), "worker_silent"),
        (LedgerUnavailableError("away"), "ledger_unavailable"),
        (KeyboardInterrupt(), "interrupted"),
        (REPLACE, "call_hangs"),
    ],
)
def test_a_child_that_ends_badly_is_followed_by_another(end: dict[str, Any] | BaseException, code: str) -> None:
    nursery = Nursery([[BATCH, end], [BATCH, RESULT]])
    assert nursery.supervisor().run() == {"batches": 2, "restarts": 1}
    assert [(fault["code"], fault["process"], fault["pid"]) for fault in nursery.told("fault")] == [(code, 1, 1)]
    assert [child.asked for child in nursery.children] == [["stop False"], ["stop False"]]


@pytest.mark.parametrize("error", [UsageError("wrong"), ModelNotInstalledError("no model")])
def test_what_no_other_child_would_mend_ends_them_all_with_its_error(error: Exception) -> None:
    nursery = Nursery([[], [error]])
    with pytest.raises(type(error)):
        nursery.supervisor(2).run()
    assert sorted(child.asked for child in nursery.children) == [["drain", "stop False"], ["stop False"]]


def test_pauses_grow_from_fault_to_fault_and_begin_anew_after_a_batch() -> None:
    crash = WorkerEndedError("crash")
    nursery = Nursery([[crash], [crash], [crash], [BATCH, crash], [RESULT]])
    nursery.supervisor().run()
    assert [fault["again_in_seconds"] for fault in nursery.told("fault")] == [0.001, 0.002, 0.004, 0.001]


def test_a_supervisor_that_is_to_end_gives_up_a_child_that_never_works() -> None:
    nursery = Nursery([[WorkerEndedError("crash")]] * 100)
    with pytest.raises(WorkerEndedError, match="crash"):
        nursery.supervisor(once=True).run()
    assert len(nursery.children) == FAULTS_IN_A_ROW + 1


def test_one_that_is_to_stay_does_not_give_up() -> None:
    nursery = Nursery([*[[WorkerEndedError("crash")]] * (FAULTS_IN_A_ROW + 2), [RESULT]])
    assert nursery.supervisor().run()["restarts"] == FAULTS_IN_A_ROW + 2


@pytest.mark.parametrize("twice", [False, True])
def test_all_children_are_asked_to_end_and_asked_again_when_told_twice(twice: bool) -> None:
    nursery = Nursery([[BATCH], [BATCH], [BATCH]])
    supervisor = nursery.supervisor(3)
    timer = threading.Timer(0.2, supervisor.interrupt if twice else supervisor.drain)
    timer.start()
    if twice:
        with pytest.raises(KeyboardInterrupt):
            supervisor.run()
    else:
        assert supervisor.run() == {"batches": 3, "restarts": 0}
    timer.join()
    asked = ["interrupt", "stop True"] if twice else ["drain", "stop False"]
    assert [child.asked for child in nursery.children] == [asked] * 3
    assert nursery.told("draining") == [{"event": "draining"}]
    assert not nursery.told("fault")


def test_what_a_lost_child_was_at_work_on_is_active_no_more_while_its_counts_stay() -> None:
    child = Metrics(pipelines=["auto"], stages=["parse"])
    child.job_active("auto", 7)
    child.stage_observed("parse", "completed", 0.1, 7)
    nursery = Nursery([[{"event": "alive", "metrics": child.take_changes()}, WorkerEndedError("crash")], [RESULT]])
    nursery.supervisor().run()
    shown = nursery.metrics.render().splitlines()
    assert 'dagster_job_active{pipeline="auto"} 0.0' in shown
    assert 'dagster_stage_duration_seconds_count{stage="parse",status="completed"} 7.0' in shown
    assert not nursery.told("alive")


def test_a_fault_of_our_own_is_not_lost_in_its_thread() -> None:
    nursery = Nursery([[ValueError("a line that is no JSON")]])
    with pytest.raises(ValueError, match="no JSON"):
        nursery.supervisor().run()
