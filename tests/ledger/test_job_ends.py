"""Jobs that end outside the outcome of a stage: each is told once, with its time, and counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from gate_toys import RULE, at_gate, bring
from ledger_toys import Toys

from Medical_KG_rev.errors import PayloadError
from Medical_KG_rev.orchestration.ledger import JobStatus, Ledger
from Medical_KG_rev.orchestration.ledger.ends import JobEnd
from Medical_KG_rev.orchestration.ledger.gate_arrivals import Arrival
from Medical_KG_rev.orchestration.ledger.recovery import LOST, MAX_LOSSES
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.component


def about(seconds: float) -> object:
    """The clock of the toys goes on a little with every reading."""
    return pytest.approx(seconds, abs=0.1)


class Timed:
    """Toys on a clock that the test moves, and what was told of ends."""

    def __init__(self, open_ledger: Callable[..., Ledger]) -> None:
        self.toys = Toys(open_ledger)
        self.ledger = self.toys.ledger
        self.told: list[tuple[JobStatus, float]] = []
        self.ledger.ends.listen(lambda end: self.told.append((end.status, end.seconds)))


@pytest.fixture
def timed(open_ledger: Callable[..., Ledger], location: object) -> Timed:
    if isinstance(location, str):
        pytest.skip("PostgreSQL has a clock of its own.")
    return Timed(open_ledger)


def test_a_job_cancelled_in_the_queue(timed: Timed) -> None:
    [job] = timed.toys.submit(1)
    timed.toys.now += 5.0
    timed.ledger.cancel(job.job_id, actor="me")
    assert timed.told == [(JobStatus.CANCELLED, about(5.0))]


def test_a_job_cancelled_between_two_stages(timed: Timed) -> None:
    job, other = timed.toys.submit(2)
    timed.toys.batch([job, other])
    lease = timed.ledger.queue.lease("w", 60.0)
    assert lease is not None
    timed.ledger.cancel(job.job_id, actor="me")
    assert timed.told == []
    timed.toys.now += 7.0
    timed.ledger.stages.start(lease, "parse", "run")
    assert timed.told == [(JobStatus.CANCELLED, about(7.0))]


def test_a_job_cancelled_on_its_way_to_a_gate_and_one_at_it(timed: Timed) -> None:
    [waiting] = at_gate(timed.toys, 1)
    timed.toys.now += 100.0
    timed.ledger.cancel(waiting.job_id, actor="me")
    assert timed.told == [(JobStatus.CANCELLED, about(0.0))], "without its time at the gate"

    [job] = timed.toys.submit(1)
    timed.toys.batch([job])
    lease = timed.ledger.queue.lease("w", 60.0)
    assert lease is not None
    timed.ledger.stages.start(lease, "download", "run")
    timed.ledger.cancel(job.job_id, actor="me")
    submitted = timed.ledger.job(job.job_id).created_at
    timed.toys.now += 3.0
    timed.ledger.stages.record(lease, "download", arrivals=[Arrival(job=job, rule=RULE, doc_id=job.doc_id)])
    assert timed.told[1:] == [(JobStatus.CANCELLED, about(timed.toys.now - submitted))]


def test_a_job_whose_gate_was_not_met(timed: Timed) -> None:
    jobs = timed.toys.submit(1)
    timed.toys.now += 4.0
    bring(timed.toys, jobs)
    timed.toys.now += RULE.timeout_seconds + 1.0
    timed.ledger.job_gates.expire()
    timed.ledger.job_gates.expire()
    assert timed.told == [(JobStatus.DEAD, about(4.0))]


def test_a_job_that_kills_its_workers(timed: Timed) -> None:
    timed.toys.batch(timed.toys.submit(1))
    for _ in range(MAX_LOSSES):
        assert timed.told == []
        lease = timed.ledger.queue.lease("w", 60.0)
        assert lease is not None
        timed.ledger.stages.start(lease, "parse", None)
        timed.toys.now += 2.0
        timed.ledger.recovery.release_worker("w", LOST)
    assert timed.told == [(JobStatus.DEAD, about(2.0 * MAX_LOSSES))]


def test_a_job_whose_pdf_cannot_be_read_or_kills_its_readers(timed: Timed) -> None:
    at_gate(timed.toys, 1)
    task = timed.ledger.pdfs.lease("reader", 60.0)
    assert task is not None
    timed.toys.now += 9.0
    timed.ledger.pdfs.fail(task, PayloadError("Bad."))
    assert timed.told == [(JobStatus.FAILED, about(0.0))]

    at_gate(timed.toys, 1)
    for _ in range(MAX_LOSSES):
        assert len(timed.told) == 1
        assert timed.ledger.pdfs.lease("reader", 60.0) is not None
        timed.ledger.pdfs.release_worker("reader", LOST)
    assert [status for status, _ in timed.told] == [JobStatus.FAILED, JobStatus.DEAD]


@pytest.mark.parametrize("status", [JobStatus.CANCELLED, JobStatus.DEAD])
def test_a_process_counts_the_ends_that_it_brings_about(make_settings: Callable[..., Settings], status: JobStatus) -> None:
    parts = PlatformParts(make_settings())
    parts.ledger.ends.tell([JobEnd("auto", status, 12.0)])
    sums = parts.metrics.registry.get_sample_value("dagster_job_duration_seconds_sum", {"pipeline": "auto", "status": status})
    parts.ledger.close()
    assert sums == 12.0
