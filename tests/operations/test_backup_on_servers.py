"""Backup and restore with the ledger in PostgreSQL and the objects in S3."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from real_servers import RunningServer
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from Medical_KG_rev.errors import BackupError, UsageError
from Medical_KG_rev.operations import RestoreTarget, back_up, measure, restore
from Medical_KG_rev.storage import FilesystemObjectStore, S3ObjectStore

pytestmark = pytest.mark.service

MOMENT = 1_800_000_000.0
OBJECT = "tenants/default/artifacts/r1/parse-1"


@pytest.fixture
def engine(postgres_database: str) -> Iterator[Engine]:
    made = create_engine(postgres_database, poolclass=NullPool)
    yield made
    made.dispose()


@pytest.fixture
def s3(s3_server: RunningServer, s3_bucket: str) -> Callable[[str], S3ObjectStore]:
    environment = s3_server.environment

    def store(prefix: str) -> S3ObjectStore:
        return S3ObjectStore(
            endpoint_url=environment["MK_OBJECT_STORE__ENDPOINT_URL"],
            bucket=s3_bucket,
            access_key=environment["MK_OBJECT_STORE__ACCESS_KEY"],
            secret_key=environment["MK_OBJECT_STORE__SECRET_KEY"],
            prefix=prefix,
        )

    return store


def jobs_of(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT job_id FROM jobs ORDER BY 1")).scalars())


def test_a_backup_goes_from_bucket_to_bucket_and_database_to_itself(
    make_library: Callable[..., Any], engine: Engine, s3: Callable[[str], S3ObjectStore], tmp_path: Path
) -> None:
    library = make_library(tmp_path / "data", engine, s3("one"))
    library.populate()
    manifest = back_up(library.source, tmp_path / "b", now=lambda: MOMENT)
    assert (manifest.ledger, manifest.jobs) == ("postgresql", {"completed": 1})
    assert {file.path.split("/")[0] for file in manifest.files} == {
        "objects",
        "index",
        "graph",
        "events",
        "dagster",
        "ledger.dump",
    }

    library.job("j2", "local:b")
    target = RestoreTarget(tmp_path / "restored", s3("other"), engine)
    with pytest.raises(UsageError, match="not empty: it holds the ledger postgresql"):
        restore(tmp_path / "b", target)
    assert jobs_of(engine) == ["j1", "j2"]
    restore(tmp_path / "b", target, force=True)
    assert jobs_of(engine) == ["j1"]
    assert s3("other").read(OBJECT) == b"0123456789"
    assert sorted(s3("other").keys()) == sorted(s3("one").keys())
    assert (tmp_path / "restored/graph/default/graph.lbug").read_bytes() == b"graph"
    assert not (tmp_path / "restored/ledger.db").exists()


def test_a_backup_is_restored_in_the_profile_that_it_was_made_in(
    make_library: Callable[..., Any], engine: Engine, tmp_path: Path
) -> None:
    library = make_library(tmp_path / "data", engine)
    library.populate()
    back_up(library.source, tmp_path / "b", now=lambda: MOMENT)
    place = tmp_path / "restored"
    with pytest.raises(UsageError, match="postgresql database; this profile's is sqlite"):
        restore(tmp_path / "b", RestoreTarget(place, FilesystemObjectStore(place / "objects")))


def test_without_postgresqls_programs_a_backup_says_so(
    make_library: Callable[..., Any], engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = make_library(tmp_path / "data", engine)
    library.populate()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="pg_dump is not installed") as caught:
        back_up(library.source, tmp_path / "b", now=lambda: MOMENT)
    assert "postgresql-client" in caught.value.remedy


def test_a_server_that_refuses_is_named_and_nothing_is_replaced(
    make_library: Callable[..., Any], engine: Engine, tmp_path: Path, backup_of: Callable[[Any], Path]
) -> None:
    library = make_library(tmp_path / "data", engine)
    library.populate()
    folder = backup_of(library)
    wrong = create_engine(engine.url.set(username="nobody", password="secret-word"), poolclass=NullPool)
    graph = library.file("graph/default/graph.lbug", b"newer")
    with pytest.raises(BackupError, match="pg_restore failed") as caught:
        restore(folder, RestoreTarget(library.data_dir, library.store, wrong), force=True)
    assert "secret-word" not in str(caught.value)
    assert graph.read_bytes() == b"newer", "what was there stays"


def test_gc_and_storage_ask_postgresql(
    make_library: Callable[..., Any], engine: Engine, s3: Callable[[str], S3ObjectStore], tmp_path: Path
) -> None:
    library = make_library(tmp_path / "data", engine, s3("one"))
    library.populate()
    library.store.put("tenants/default/artifacts/r1/orphan", b"123")
    usage = measure(library.data_dir, engine, library.store, lambda: MOMENT)
    sizes = {part.part: part.bytes for part in usage.parts}
    assert sizes["ledger"] > 1_000_000
    assert (sizes["objects parse"], sizes["objects unreferenced"]) == (10, 3 + 4)
    assert library.collector(safety_seconds=-1.0, now=time.time).run().cleared[0].count == 1
    assert sorted(library.store.keys()) == ["payloads/a.pdf", OBJECT]
