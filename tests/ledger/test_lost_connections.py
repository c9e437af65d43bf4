"""PostgreSQL is killed, comes back, or drops its connections while a ledger writes: each transaction takes effect once."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from ledger_toys import START
from real_servers import execute
from sqlalchemy import Connection, insert, text

from Medical_KG_rev.errors import LedgerUnavailableError
from Medical_KG_rev.orchestration.events import EventSubject
from Medical_KG_rev.orchestration.ledger import Ledger
from Medical_KG_rev.orchestration.ledger.schema import jobs
from Medical_KG_rev.services import Server

pytestmark = [pytest.mark.service, pytest.mark.chaos]

WRITES = 200
TENANT = "t1"


@pytest.fixture
def server(own_server: Callable[[str], Server]) -> Server:
    return own_server("postgres")


@pytest.fixture
def address(server: Server) -> str:
    """An empty database on the server that may be killed; it goes with the server."""
    url = server.environment["MK_DATABASE__URL"]
    name = f"test_{uuid.uuid4().hex}"
    execute(url, f"CREATE DATABASE {name}")
    return f"{url.rpartition('/')[0]}/{name}"


@pytest.fixture
def ledger(address: str) -> Iterator[Ledger]:
    ledger = Ledger.open(address, lambda: START)
    yield ledger
    ledger.close()


class Writer:
    """Writes numbered jobs with their events in a thread, a transaction each."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.written = 0
        self.tries = 0

    def run(self) -> None:
        for number in range(WRITES):
            self.ledger.database.write(lambda connection, number=number: self._write(connection, number))  # type: ignore[misc]
            self.written = number + 1

    def _write(self, connection: Connection, number: int) -> None:
        self.tries += 1
        name = f"job-{number:04}"
        values = {"job_id": name, "source_id": name, "idempotency_key": name, "position": number, "status": "queued"}
        of_all = {"tenant_id": TENANT, "submission_id": "s", "source": "toy", "pipeline_name": "auto", "pipeline_version": "1"}
        connection.execute(insert(jobs).values(**values, **of_all, created_at=START, updated_at=START))
        subject = EventSubject(tenant_id=TENANT, job_id=name, doc_id=name)
        event = self.ledger.events.stage_started(subject, "parse", attempt=1, time=START)
        self.ledger.outbox.append(connection, [event])

    def wait_for(self, count: int, future: Future[None]) -> None:
        """Until so many are written; what went wrong in the thread is raised."""
        while self.written < count:
            if future.done():
                future.result()
            time.sleep(0.001)


def numbers_written(ledger: Ledger) -> Counter[str]:
    """How often each number is there, by its events; each has its job as well."""
    events = Counter(event.job_id for row in ledger.outbox.read(10_000) for event in row.events)
    assert {job.job_id for job in ledger.list_jobs(TENANT, limit=WRITES * 2)} == set(events)
    return events


ALL_ONCE = Counter({f"job-{number:04}": 1 for number in range(WRITES)})


def test_a_server_that_is_killed_and_comes_back_loses_and_repeats_nothing(server: Server, ledger: Ledger) -> None:
    writer, caught = Writer(ledger), []
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(writer.run)
        for count in (40, 120):
            writer.wait_for(count, future)
            server.kill()
            caught.append(writer.written)
            server.start()
        future.result(timeout=120)
    assert caught[-1] < WRITES
    assert numbers_written(ledger) == ALL_ONCE


def test_connections_that_are_ended_in_the_middle_lose_and_repeat_nothing(address: str, ledger: Ledger) -> None:
    """Among them those in the middle of a commit: the answer is lost, the transaction may not be."""
    writer, admin = Writer(ledger), Ledger.open(address, lambda: START)
    end_all = text(
        "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()) ended"
    )
    ended = 0
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(writer.run)
        for count in range(5, WRITES, 10):
            writer.wait_for(count, future)
            ended += admin.database.read(lambda connection: connection.execute(end_all).scalar_one())
        future.result(timeout=120)
    assert ended >= 10
    assert writer.tries > WRITES
    assert numbers_written(ledger) == ALL_ONCE
    admin.close()


def test_a_lost_commit_answer_is_not_taken_for_a_lost_commit(
    address: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst moment, made certain: the server commits, and the connection is gone before the client hears of it."""
    writer = Writer(ledger)
    dialect = ledger.engine.dialect
    commit, lost = dialect.do_commit, []

    def commit_and_lose(connection) -> None:  # type: ignore[no-untyped-def]
        pid = connection.dbapi_connection.info.backend_pid
        commit(connection)
        if writer.tries % 20 == 3 and writer.tries not in lost:
            lost.append(writer.tries)
            execute(address, f"SELECT pg_terminate_backend({pid})")
            connection.cursor().execute("SELECT 1")

    monkeypatch.setattr(dialect, "do_commit", commit_and_lose)
    writer.run()
    monkeypatch.undo()
    assert len(lost) == WRITES // 20
    assert writer.tries == WRITES
    assert numbers_written(ledger) == ALL_ONCE


def test_a_database_that_stays_away_is_given_up_within_its_patience(server: Server, address: str) -> None:
    ledger = Ledger.open(address, lambda: START, patience_seconds=1.5)
    server.kill()
    started = time.monotonic()
    with pytest.raises(LedgerUnavailableError) as caught:
        Writer(ledger).run()
    waited = time.monotonic() - started
    ledger.close()
    assert 1.5 <= waited < 10.0
    password = address.partition("@")[0].rpartition(":")[2]
    assert password not in str(caught.value)
