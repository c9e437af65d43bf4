"""Whatever people, workers and crashes do to a ledger, in any order: it agrees with a small model of it in memory.

The database itself logs each change of a job's state, so that none is missed that a later one covers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from event_story import faults
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from ledger_toys import Toys
from sqlalchemy import text, update

from Medical_KG_rev.errors import InvalidTransitionError, LeaseLostError
from Medical_KG_rev.orchestration.ledger import TERMINAL, DeadLetter, Job, JobStatus, Lease, StageAttempt
from Medical_KG_rev.orchestration.ledger.dead_letters import MAX_REPLAYS
from Medical_KG_rev.orchestration.ledger.recovery import LOST, MAX_LOSSES, STOPPED, Reason
from Medical_KG_rev.orchestration.ledger.schema import batches, metadata
from Medical_KG_rev.orchestration.ledger.states import SOURCES
from Medical_KG_rev.orchestration.ledger.subjects import job_subject

pytestmark = pytest.mark.component

Q, LEASED, RUNNING, STUCK = JobStatus.QUEUED, JobStatus.LEASED, JobStatus.RUNNING, JobStatus.STUCK
COMPLETED, FAILED, CANCELLED, DEAD = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.DEAD
OPEN = (LEASED, RUNNING, STUCK)
WORKERS = ("w1", "w2", "w3")
TENANTS = ("t1", "t2")
STAGES = ("parse", "chunk")
LEASE_SECONDS = 60.0
RUN_FAILED = Reason("toy", "The run failed as a whole.", False)

LOG_TABLE = "CREATE TABLE status_log (number INTEGER, job_id TEXT, before TEXT, after TEXT)"
SQLITE_TRIGGER = (
    "CREATE TRIGGER status_logged AFTER UPDATE OF status ON jobs WHEN old.status <> new.status BEGIN"
    " INSERT INTO status_log (job_id, before, after) VALUES (new.job_id, old.status, new.status); END"
)
POSTGRES_FUNCTION = (
    "CREATE FUNCTION log_status() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " INSERT INTO status_log (job_id, before, after) VALUES (new.job_id, old.status, new.status); RETURN new; END $$"
)
POSTGRES_TRIGGER = (
    "CREATE TRIGGER status_logged AFTER UPDATE ON jobs FOR EACH ROW WHEN (old.status <> new.status) EXECUTE FUNCTION log_status()"
)

indices = st.integers(0, 50)
endings = st.lists(st.sampled_from([None, COMPLETED, FAILED]), min_size=9, max_size=9)
"""What the jobs of a batch become at the end of a stage; None goes on to the next."""


@dataclass
class ModelJob:
    """What the model knows of a job. ``attempt`` is the one that is open; ``losses``: workers that were lost over it."""

    tenant: str
    status: JobStatus = Q
    batch_id: str | None = None
    attempt: int | None = None
    cancel: bool = False
    losses: int = 0


@dataclass
class Held:
    """A lease that was given out, and the attempts that its holder began and did not end."""

    lease: Lease
    stage: str = "parse"
    attempts: dict[str, int] = field(default_factory=dict)


def watch_states(toys: Toys) -> None:
    """Has the database log every change of a job's state."""
    postgres = toys.ledger.database.is_postgres
    statements = [LOG_TABLE, *([POSTGRES_FUNCTION, POSTGRES_TRIGGER] if postgres else [SQLITE_TRIGGER])]
    for statement in statements:
        toys.ledger.database.write(lambda connection, statement=statement: connection.execute(text(statement)))


def empty(toys: Toys) -> None:
    def work(connection) -> None:  # type: ignore[no-untyped-def]
        connection.execute(text("DELETE FROM status_log"))
        for table in metadata.sorted_tables:
            if table.name != "commit_marks":
                connection.execute(table.delete())

    toys.ledger.database.write(work)


class LedgerMachine(RuleBasedStateMachine):
    """The ledger beside its model."""

    def __init__(self, toys: Toys) -> None:
        super().__init__()
        empty(toys)
        self.toys = toys
        self.ledger = toys.ledger
        self.jobs: dict[str, ModelJob] = {}
        self.held: list[Held] = []
        self.stuck: list[str] = []
        self.stale: list[Held] = []
        self.by_hand = False

    # --- the model -------------------------------------------------------------------------------------------------------

    def of_batch(self, batch_id: str, *states: JobStatus) -> list[str]:
        return [name for name, job in self.jobs.items() if job.batch_id == batch_id and job.status in states]

    def in_states(self, *states: JobStatus) -> list[str]:
        return [name for name, job in self.jobs.items() if job.status in states]

    def waiting_batches(self) -> set[str]:
        return {job.batch_id for job in self.jobs.values() if job.status == Q and job.batch_id}

    def given_back(self, batch_id: str, *, lost: bool) -> None:
        """What was open is queued again; a job that lost its workers alone may be dead."""
        left = self.of_batch(batch_id, *OPEN)
        for row in self.ledger.jobs_by_id(left):
            job = self.jobs[row.job_id]
            job.losses += lost
            job.attempt = None
            if row.status == DEAD:
                assert lost
                assert (len(left), job.losses >= MAX_LOSSES) == (1, True)
                job.status = DEAD
            else:
                job.status, job.batch_id = Q, row.batch_id
                assert row.batch_id is not None

    def gone(self, held: Held) -> None:
        self.held.remove(held)
        self.stale.append(held)

    # --- filling the queue -----------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 9), tenant=st.sampled_from(TENANTS), priority=st.integers(0, 2), at_once=st.booleans())
    def submit(self, count: int, tenant: str, priority: int, at_once: bool) -> None:
        made = self.toys.submit(count, tenant, priority)
        self.jobs |= {job.job_id: ModelJob(tenant) for job in made}
        if at_once:
            self._batch(made)

    @precondition(lambda self: any(job.status == Q and job.batch_id is None for job in self.jobs.values()))
    @rule(wanted=st.integers(1, 5))
    def enqueue(self, wanted: int) -> None:
        unbatched = self.ledger.queue.unbatched()
        assert {job.job_id for job in unbatched} == {name for name in self.in_states(Q) if self.jobs[name].batch_id is None}
        together = [job for job in unbatched if job.submission_id == unbatched[0].submission_id]
        self._batch(together[:wanted])

    @precondition(lambda self: self.jobs)
    @rule(pick=indices)
    def enqueue_what_may_be_taken(self, pick: int) -> None:
        """A batch takes only what waits: asked for any job, it is empty where that is taken."""
        name = sorted(self.jobs)[pick % len(self.jobs)]
        self._batch([self.ledger.job(name)])

    def _batch(self, wanted: Sequence[Job]) -> None:
        batch = self.toys.batch(wanted)
        for job in wanted:
            known = self.jobs[job.job_id]
            if known.status == Q and known.batch_id is None:
                known.batch_id = batch.batch_id

    # --- work ------------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.waiting_batches() or len(self.held) < len(WORKERS))
    @rule(worker=st.sampled_from(WORKERS))
    def lease(self, worker: str) -> None:
        waiting = self.waiting_batches()
        lease = self.ledger.queue.lease(worker, LEASE_SECONDS)
        assert (lease is not None) == bool(waiting)
        if lease is not None:
            assert lease.batch_id in waiting
            for name in self.of_batch(lease.batch_id, Q):
                self.jobs[name].status = LEASED
            self.held.append(Held(lease))

    @precondition(lambda self: any(not held.attempts for held in self.held))
    @rule(pick=indices, stage=st.sampled_from(STAGES))
    def start(self, pick: int, stage: str) -> None:
        idle = [held for held in self.held if not held.attempts]
        self._start(idle[pick % len(idle)], stage)

    def _start(self, held: Held, stage: str) -> None:
        alive = self.of_batch(held.lease.batch_id, LEASED, RUNNING)
        begun = self.ledger.stages.start(held.lease, stage, None)
        assert set(begun.cancelled) == {name for name in alive if self.jobs[name].cancel}
        assert set(begun.attempts) == set(alive) - set(begun.cancelled)
        for name in begun.cancelled:
            self.jobs[name].status = CANCELLED
        for name, attempt in begun.attempts.items():
            self.jobs[name].status, self.jobs[name].attempt = RUNNING, attempt
        held.stage, held.attempts = stage, dict(begun.attempts)

    @precondition(lambda self: any(held.attempts for held in self.held))
    @rule(
        pick=indices, outcomes=st.lists(st.sampled_from([None, COMPLETED, FAILED]), min_size=9, max_size=9), cut=st.integers(0, 9)
    )
    def record(self, pick: int, outcomes: list[JobStatus | None], cut: int) -> None:
        """The stage ends for some jobs, then for the others: it goes on, completes or fails each of them."""
        busy = [held for held in self.held if held.attempts]
        self._record(busy[pick % len(busy)], outcomes, cut)

    def _record(self, held: Held, outcomes: list[JobStatus | None], cut: int = 0) -> None:
        ended = dict(zip(held.attempts, outcomes, strict=False))
        names = list(ended)
        if 0 < cut < len(names):
            self._end(held, names[:cut], ended, last=False)
        self._end(held, names[cut:] if cut < len(names) else names, ended, last=True)

    @precondition(lambda self: self.waiting_batches())
    @rule(worker=st.sampled_from(WORKERS), cancelled=st.booleans(), dies=st.booleans())
    def lease_and_start(self, worker: str, cancelled: bool, dies: bool) -> None:
        """The usual way, taken at once so that long stories come about: one of the jobs may be cancelled, the worker may die."""
        self.lease(worker)
        held = self.held[-1]
        if cancelled:
            self._cancel(self.of_batch(held.lease.batch_id, LEASED)[0])
        self._start(held, STAGES[0])
        if dies:
            self.worker_is_gone(worker, LOST)

    @precondition(lambda self: self.held)
    @rule(outcomes=endings, finished=st.booleans())
    def a_whole_stage(self, outcomes: list[JobStatus | None], finished: bool) -> None:
        """The batch that was leased last goes through a stage."""
        held = self.held[-1]
        if not held.attempts:
            self._start(held, STAGES[1])
        if held.attempts:
            self._record(held, outcomes)
        if finished:
            self.finish(len(self.held) - 1, None)

    def _end(self, held: Held, names: list[str], outcomes: dict[str, JobStatus | None], *, last: bool) -> None:
        self.write_end(held, {name: outcomes[name] for name in names}, last=last)
        for name in names:
            self.jobs[name].status, self.jobs[name].attempt = outcomes[name] or RUNNING, None
            del held.attempts[name]

    def write_end(self, held: Held, outcomes: dict[str, JobStatus | None], *, last: bool = True) -> None:
        at, stage = self.toys.clock(), held.stage
        rows, events, letters = [], [], []
        for job in self.ledger.jobs_by_id(outcomes):
            attempt, failed = held.attempts[job.job_id], outcomes[job.job_id] == FAILED
            word, about = "failed" if failed else "completed", job_subject(job)
            rows.append(StageAttempt(job_id=job.job_id, stage=stage, attempt=attempt, status=word, started_at=at, finished_at=at))
            if failed:
                events.append(self.ledger.events.stage_failed(about, stage, attempt=attempt, code="toy", message="", time=at))
                letters.append(letter(job, stage, at))
            else:
                ended = self.ledger.events.stage_completed(
                    about, stage, attempt=attempt, duration_ms=1.0, output_count=1, time=at
                )
                events.append(ended)
        changes = {name: {"status": status} for name, status in outcomes.items() if status}
        self.ledger.stages.record(held.lease, stage, attempts=rows, changes=changes, events=events, letters=letters, last=last)

    @precondition(lambda self: self.held)
    @rule(pick=indices, failure=st.sampled_from([None, None, RUN_FAILED]))
    def finish(self, pick: int, failure: Reason | None) -> None:
        held = self.held[pick % len(self.held)]
        self.ledger.recovery.finish(held.lease, failure)
        self.gone(held)
        self.given_back(held.lease.batch_id, lost=False)
        at_once = update(batches).values(not_before=0.0)
        self.ledger.database.write(lambda connection: connection.execute(at_once))

    @rule(worker=st.sampled_from(WORKERS))
    def heartbeat(self, worker: str) -> None:
        assert set(self.ledger.queue.extend(worker, LEASE_SECONDS)) == {
            held.lease.batch_id for held in self.held if held.lease.worker == worker
        }

    # --- what goes wrong -------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.held or self.stuck)
    @rule(worker=st.sampled_from(WORKERS), reason=st.sampled_from([LOST, LOST, STOPPED]))
    def worker_is_gone(self, worker: str, reason: Reason) -> None:
        mine = [held for held in [*self.held, *self.stale] if held.lease.worker == worker]
        self.ledger.recovery.release_worker(worker, reason)
        for held in mine:
            batch_id = held.lease.batch_id
            if held in self.held:
                self.gone(held)
            elif batch_id not in self.stuck or self._stuck_by[batch_id] is not held:
                continue
            else:
                self.stuck.remove(batch_id)
            self.given_back(batch_id, lost=reason.lost)

    @property
    def _stuck_by(self) -> dict[str, Held]:
        """Who held the stuck batches last."""
        return {held.lease.batch_id: held for held in self.stale}

    @precondition(lambda self: self.held or self.stuck)
    @rule()
    def leases_run_out(self) -> None:
        if self.ledger.database.is_postgres:
            over = update(batches).where(batches.c.status.in_(["leased", "running"])).values(lease_expires_at=1.0)
            self.ledger.database.write(lambda connection: connection.execute(over))
        else:
            self.toys.now += LEASE_SECONDS + 1
        back = self.ledger.recovery.expire()
        assert {job.job_id for job in back} == {name for batch_id in self.stuck for name in self.of_batch(batch_id, STUCK)}
        for batch_id in self.stuck:
            self.given_back(batch_id, lost=True)
        self.stuck = []
        for held in list(self.held):
            self.gone(held)
            self.stuck.append(held.lease.batch_id)
            for name in self.of_batch(held.lease.batch_id, LEASED, RUNNING):
                self.jobs[name].status = STUCK

    @precondition(lambda self: self.stale)
    @rule(pick=indices, what=st.sampled_from(["start", "record", "finish"]))
    def a_late_holder_is_refused(self, pick: int, what: str) -> None:
        held = self.stale[pick % len(self.stale)]
        before = self.contents()
        with pytest.raises(LeaseLostError):
            self._act_late(held, what)
        assert self.contents() == before

    def _act_late(self, held: Held, what: str) -> None:
        if what == "start":
            self.ledger.stages.start(held.lease, held.stage, None)
        elif what == "finish":
            self.ledger.recovery.finish(held.lease)
        else:
            self.write_end(held, dict.fromkeys(held.attempts, COMPLETED))

    def contents(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table."""
        tables = [table for table in metadata.sorted_tables if table.name != "commit_marks"]
        return self.ledger.database.read(
            lambda connection: {table.name: sorted(map(tuple, connection.execute(table.select())), key=repr) for table in tables}
        )

    # --- what people do --------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.jobs)
    @rule(pick=indices, at_work=st.booleans())
    def cancel(self, pick: int, at_work: bool) -> None:
        names = sorted((at_work and self.in_states(*OPEN)) or self.jobs)
        self._cancel(names[pick % len(names)])

    def _cancel(self, name: str) -> None:
        job = self.jobs[name]
        if job.status in TERMINAL:
            with pytest.raises(InvalidTransitionError):
                self.ledger.cancel(name, actor="me")
            return
        self.ledger.cancel(name, actor="me")
        if job.status == Q:
            job.status, job.batch_id = CANCELLED, None
        else:
            job.cancel = True

    @precondition(lambda self: self.jobs)
    @rule(pick=indices)
    def requeue(self, pick: int) -> None:
        self.by_hand = True
        name = sorted(self.jobs)[pick % len(self.jobs)]
        if self.jobs[name].status in (FAILED, DEAD):
            self.ledger.requeue(name, actor="me")
            self._anew(name)
        else:
            with pytest.raises(InvalidTransitionError):
                self.ledger.requeue(name, actor="me")

    @precondition(lambda self: self.in_states(FAILED, DEAD))
    @rule(pick=indices, discarded=st.booleans())
    def answer_a_letter(self, pick: int, discarded: bool) -> None:
        self.by_hand = True
        open_ones = sorted(
            (found for tenant in TENANTS for found in self.ledger.dead_letters.list(tenant)), key=lambda found: found.job_id
        )
        assert {found.job_id for found in open_ones} >= set(self.in_states(FAILED))
        if not open_ones:
            return
        chosen = open_ones[pick % len(open_ones)]
        if discarded:
            self.ledger.dead_letters.discard(chosen, actor="me", reason="hopeless")
            self.jobs[chosen.job_id].status = DEAD
        elif chosen.replays < MAX_REPLAYS:
            self.ledger.dead_letters.replay(chosen, actor="me", reason="cured")
            self._anew(chosen.job_id)

    def _anew(self, name: str) -> None:
        job = self.jobs[name]
        job.status, job.batch_id, job.cancel = Q, None, False

    # --- what always holds -----------------------------------------------------------------------------------------------

    @invariant()
    def every_job_is_where_the_model_has_it(self) -> None:
        rows = {job.job_id: job for job in self.ledger.jobs_by_id(self.jobs)}
        assert {name: (row.status, row.current_attempt, row.cancel_requested) for name, row in rows.items()} == {
            name: (job.status, job.attempt, job.cancel) for name, job in self.jobs.items()
        }
        assert Counter(row.status for row in rows.values()) == self.ledger.count_jobs()
        open_ones = {name: row.batch_id for name, row in rows.items() if row.status not in TERMINAL}
        assert open_ones == {name: self.jobs[name].batch_id for name in open_ones}

    @invariant()
    def every_change_was_allowed(self) -> None:
        def work(connection):  # type: ignore[no-untyped-def]
            rows = connection.execute(text("SELECT job_id, before, after FROM status_log")).all()
            connection.execute(text("DELETE FROM status_log"))
            return rows

        for name, before, after in self.ledger.database.write(work):
            assert before in SOURCES[JobStatus(after)], f"{name} went from {before} to {after}"
            assert before not in TERMINAL or self.by_hand, f"{name} left {before} by itself"
        self.by_hand = False

    @invariant()
    def a_job_is_in_one_live_batch(self) -> None:
        """A batch that waits has waiting jobs, one that is held has leased or running ones: of one holder."""
        states = {
            Q: {"queued"},
            LEASED: {"leased", "running"},
            RUNNING: {"running"},
            STUCK: {"stuck"},
        }
        known = self.ledger.database.read(lambda connection: {row.batch_id: row for row in connection.execute(batches.select())})
        for name, job in self.jobs.items():
            if job.status in states and job.batch_id is not None:
                assert known[job.batch_id].status in states[job.status], name
        live = {batch_id for batch_id, row in known.items() if row.status in ("leased", "running")}
        assert live == {held.lease.batch_id for held in self.held}
        assert len(live) == len(self.held)
        at_work = [job.job_id for held in self.held for job in self.ledger.queue.jobs_of(held.lease)]
        assert sorted(at_work) == sorted(self.in_states(LEASED, RUNNING))

    def teardown(self) -> None:
        """Everybody stops: then every start of a stage has one end, in order, and no event was written twice."""
        for worker in WORKERS:
            self.ledger.recovery.release_worker(worker, STOPPED)
        assert not set(self.ledger.count_jobs()) & set(OPEN)
        written = [event for row in self.ledger.outbox.read(10_000) for event in row.events]
        assert [name for name, times in Counter(event.event_id for event in written).items() if times > 1] == []
        story = [
            {"id": event.event_id, "type": f"com.medical-kg.{event.type}.v1", "jobid": event.job_id, "data": event.data}
            for event in written
        ]
        assert faults(story) == []
        starts = Counter(event.job_id for event in written if event.type == "stage.started")
        assert starts == Counter({name: made for name in self.jobs if (made := len(self.ledger.attempts(name)))})


def letter(job: Job, stage: str, at: float) -> DeadLetter:
    return DeadLetter(
        job_id=job.job_id,
        tenant_id=job.tenant_id,
        source=job.source,
        source_id=job.source_id,
        pipeline_name=job.pipeline_name,
        stage=stage,
        error_code="toy",
        error_message="",
        first_at=at,
        last_at=at,
    )


def test_the_ledger_agrees_with_its_model(toys: Toys) -> None:
    postgres = toys.ledger.database.is_postgres
    if not postgres:
        with toys.ledger.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=OFF")
    watch_states(toys)
    run_state_machine_as_test(
        lambda: LedgerMachine(toys),
        settings=settings(
            max_examples=10 if postgres else 50,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
