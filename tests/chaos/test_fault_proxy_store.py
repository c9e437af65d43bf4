"""The object store, a real one, answers late, not at all, half or with garbage in the middle of an ingest."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from event_story import faults
from fault_proxy import MODES, Asked, FaultProxy, Mode, spoiling
from ingests_here import Ingests
from real_servers import s3_client
from shipped_medkg import write_study

from Medical_KG_rev.errors import StoreUnavailableError
from Medical_KG_rev.orchestration import session
from Medical_KG_rev.storage.s3 import S3ObjectStore

pytestmark = [pytest.mark.chaos, pytest.mark.service]

DONE = ("completed", "", "")
READ_SECONDS = 1.0
REQUESTS, ATTEMPTS = 2, 4
"""The store's client asks again once by itself; the policy `default` tries a call so often."""


@dataclass(frozen=True)
class Stored:
    """An ingest whose object store is behind the proxy."""

    ingest: Ingests
    proxy: FaultProxy
    folder: Path

    def study(self, number: int) -> Path:
        nct = f"NCT{number:08d}"
        return write_study(self.folder, nct, f"Study {nct}", "An invented study of quiet words.")

    def is_whole(self, study: Path) -> bool:
        return self.ingest.is_whole(f"clinicaltrials:{study.stem}")


@pytest.fixture(scope="module")
def stored(open_ingests: Callable[..., Ingests], s3_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    settings, bucket = s3_server.environment, f"test-{uuid.uuid4().hex}"
    with (
        spoiling(settings["MK_OBJECT_STORE__ENDPOINT_URL"], seconds=2 * READ_SECONDS) as proxy,
        pytest.MonkeyPatch.context() as patch,
        closing(s3_client(s3_server)) as client,
    ):
        patch.setattr(session, "FAULT_PAUSE_SECONDS", 0.05)
        ingest = open_ingests()
        ingest.platform.parts.store = store = S3ObjectStore(
            endpoint_url=proxy.url,
            bucket=bucket,
            access_key=settings["MK_OBJECT_STORE__ACCESS_KEY"],
            secret_key=settings["MK_OBJECT_STORE__SECRET_KEY"],
            create_bucket=True,
            read_timeout_seconds=READ_SECONDS,
        )
        yield Stored(ingest, proxy, tmp_path_factory.mktemp("studies"))
        proxy.mend()
        for key in list(store.keys()):
            store.delete(key)
        client.delete_bucket(Bucket=bucket)


def is_write(asked: Asked) -> bool:
    """Of what the stage `chunk` made."""
    return asked.method == "PUT" and "/chunk-" in asked.target


def is_read(asked: Asked) -> bool:
    """Of an object."""
    return asked.method == "GET" and "/artifacts/" in asked.target and "list-type" not in asked.target


@pytest.mark.parametrize("mode", MODES)
def test_a_bad_answer_of_the_store_is_asked_for_again(stored: Stored, mode: Mode) -> None:
    study = stored.study(10 + MODES.index(mode))
    stored.proxy.mend()
    for where in (is_write, is_read, lambda asked: asked.method == "HEAD"):
        stored.proxy.spoil(mode, 1, where=where)
    assert stored.ingest.local(study) == {study.stem: DONE}
    assert [asked.method for _, asked in stored.proxy.spoiled] == ["HEAD", "GET", "PUT"]
    assert stored.is_whole(study)


@pytest.mark.parametrize("mode", ["silent", "reset", "unavailable"])
def test_a_store_that_does_not_take_what_was_made_is_waited_for_and_the_batch_run_again(stored: Stored, mode: Mode) -> None:
    study = stored.study(100 + MODES.index(mode))
    stored.proxy.mend()
    stored.proxy.spoil(mode, REQUESTS + 1, where=is_write)
    assert stored.ingest.local(study) == {study.stem: DONE}
    assert len(stored.proxy.spoiled) == REQUESTS + 1
    job = stored.ingest.job(study.stem)
    done = [stage["stage"] for stage in job["stages"] if stage["status"] == "completed"]
    assert len(done) == len(set(done)), "what was stored before is not made again"
    assert stored.is_whole(study)
    assert faults(stored.ingest.events(job["job_id"])) == []


@pytest.mark.parametrize("mode", ["half", "garbled"])
def test_what_the_store_cannot_give_fails_its_document_after_the_policys_attempts(stored: Stored, mode: Mode) -> None:
    study = stored.study(200 + MODES.index(mode))
    stored.proxy.mend()
    stored.proxy.spoil(mode, where=is_read)
    assert stored.ingest.local(study) == {study.stem: ("failed", "parse", "store_unavailable")}
    assert len(stored.proxy.spoiled) == ATTEMPTS
    assert stored.ingest.retries(study.stem) == {"store_unavailable"}
    stored.proxy.mend()
    assert not stored.is_whole(study)
    assert stored.ingest.retry(study.stem) == {DONE}
    assert stored.is_whole(study)


def test_a_store_that_stays_away_ends_the_command_and_leaves_its_jobs_in_the_queue(stored: Stored) -> None:
    study = stored.study(300)
    stored.proxy.mend()
    stored.proxy.spoil("reset", where=is_write)
    with pytest.raises(StoreUnavailableError) as caught:
        stored.ingest.local(study)
    assert caught.value.exit_code == 3
    assert stored.ingest.job(study.stem)["status"] == "queued"
    assert not stored.is_whole(study)
    stored.proxy.mend()
    assert stored.ingest.local(study) == {study.stem: DONE}
    assert stored.is_whole(study)
