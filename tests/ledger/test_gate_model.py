"""Whatever happens at a gate, in any order and with any worker dying: each job leaves it once, and its story is whole."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from event_story import faults, unlike_ledger
from gate_toys import at_gate, document_row, new_ids, rule_for
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from ledger_toys import Toys
from sqlalchemy import update

from Medical_KG_rev.errors import InvalidTransitionError, LeaseLostError, PayloadError, RemoteUnavailableError
from Medical_KG_rev.orchestration.events.envelope import to_json
from Medical_KG_rev.orchestration.ledger import JobStatus, PdfTask
from Medical_KG_rev.orchestration.ledger.recovery import LOST, STOPPED
from Medical_KG_rev.orchestration.ledger.schema import jobs, metadata, pdf_queue

pytestmark = pytest.mark.component

WORKERS = ("r1", "r2")


class Gate(RuleBasedStateMachine):
    """Jobs come to the gate; readers, persons, daemons and crashes do what they like."""

    toys: Toys

    def __init__(self) -> None:
        super().__init__()
        with self.toys.ledger.engine.begin() as connection:
            for table in metadata.sorted_tables:
                connection.execute(table.delete())
        self.made: list[str] = []
        self.held: list[PdfTask] = []
        self.new_id = new_ids(f"m{next(self.toys.numbers)}-")

    @initialize()
    def begin(self) -> None:
        self.bring("t1", 2)

    @rule(tenant=st.sampled_from(["t1", "t2"]), count=st.integers(1, 2))
    def bring(self, tenant: str, count: int) -> None:
        self.made += [job.job_id for job in at_gate(self.toys, count, tenant)]

    @rule(worker=st.sampled_from(WORKERS))
    def lease(self, worker: str) -> None:
        task = self.toys.ledger.pdfs.lease(worker, 60.0)
        if task is not None:
            self.held.append(task)

    @rule(which=st.integers(0, 5), how=st.sampled_from(["done", "bad", "away"]))
    def end(self, which: int, how: str) -> None:
        """A reader ends its file, perhaps one that was taken from it long ago."""
        if not self.held:
            return
        task, pdfs = self.held[which % len(self.held)], self.toys.ledger.pdfs
        before = pdfs.task(task.job_id)
        assert before is not None
        is_current = before.state == "leased" and before.epoch == task.epoch
        try:
            if how == "done":
                pdfs.finish(task, document_row(task))
            elif how == "bad":
                pdfs.fail(task, PayloadError("It cannot be read."))
            else:
                pdfs.fail(task, RemoteUnavailableError("The engine is away."), retry_in_seconds=0.0)
        except LeaseLostError:
            assert not is_current
            assert pdfs.task(task.job_id) == before, "who is late changes nothing"
        else:
            assert is_current

    @rule(worker=st.sampled_from(WORKERS), reason=st.sampled_from([LOST, STOPPED]))
    def take_over(self, worker: str, reason: Any) -> None:
        """What a reader holds comes back, and is handed out again, perhaps to the same."""
        self.toys.ledger.pdfs.release_worker(worker, reason)
        self.lease("r1")

    @rule(worker=st.sampled_from(WORKERS), reason=st.sampled_from([LOST, STOPPED]))
    def lose(self, worker: str, reason: Any) -> None:
        self.toys.ledger.pdfs.release_worker(worker, reason)

    @rule()
    def run_out(self) -> None:
        over = update(pdf_queue).where(pdf_queue.c.state == "leased").values(lease_expires_at=1.0)
        self.toys.ledger.database.write(lambda connection: connection.execute(over))
        self.toys.ledger.pdfs.expire()

    @rule(size=st.integers(1, 3), limit=st.integers(1, 3))
    def tick(self, size: int, limit: int) -> None:
        for one in self.toys.ledger.job_gates.pass_ready(rule_for, size=size, new_id=self.new_id, limit=limit):
            passed = self.toys.ledger.jobs_of_batch(one.batch.batch_id)
            assert 0 < len(passed) == len(one.waited) <= size
            assert all(job.pdf_ir_ready and job.post_pdf_started for job in passed)

    @rule(which=st.integers(0, 20), what=st.sampled_from(["open", "cancel", "expire"]))
    def person(self, which: int, what: str) -> None:
        if not self.made:
            return
        job_id, ledger = self.made[which % len(self.made)], self.toys.ledger
        try:
            if what == "open":
                ledger.job_gates.open(job_id, actor="me", reason="a try", new_id=self.new_id)
            elif what == "cancel":
                ledger.cancel(job_id, actor="me")
            else:
                late = update(jobs).where(jobs.c.job_id == job_id).values(gate_deadline=1.0)
                ledger.database.write(lambda connection: connection.execute(late))
                ledger.job_gates.expire()
        except InvalidTransitionError:
            assert ledger.job(job_id).status != JobStatus.WAITING_AT_GATE

    @invariant()
    def each_job_leaves_once(self) -> None:
        told = Counter(
            event.job_id
            for row in self.toys.ledger.outbox.read(10_000)
            for event in row.events
            if event.type in ("gate.passed", "gate.opened", "gate.expired")
        )
        assert all(count == 1 for count in told.values())
        for job in self.toys.ledger.jobs_by_id(self.made):
            task = self.toys.ledger.pdfs.task(job.job_id)
            assert task is not None
            if job.status == JobStatus.WAITING_AT_GATE:
                assert job.job_id not in told
                assert (task.state == "done") == job.pdf_ir_ready
                assert task.state in ("queued", "leased", "done")
            elif job.terminal:
                assert task.state not in ("queued", "leased") or job.post_pdf_started, "nobody reads for who has ended"

    def teardown(self) -> None:
        """Nothing is open any more; then events and ledger tell the same."""
        for worker in WORKERS:
            self.toys.ledger.pdfs.release_worker(worker, STOPPED)
        story = [json.loads(to_json(event)) for row in self.toys.ledger.outbox.read(10_000) for event in row.events]
        attempts = [
            (job_id, each.stage, each.attempt, each.status) for job_id in self.made for each in self.toys.ledger.attempts(job_id)
        ]
        assert faults(story) == []
        assert unlike_ledger(story, attempts, []) == []


def test_whatever_happens_each_job_leaves_once_and_its_story_is_whole(toys: Toys) -> None:
    machine = type("GateOfThisLedger", (Gate,), {"toys": toys})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            phases=[Phase.generate],
        ),
    )
