"""A data folder with a ledger and stores, made without an ingest; the shipped command where an ingest is the point."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from shipped_medkg import Medkg
from sqlalchemy import Engine, create_engine, insert, text

from Medical_KG_rev.models import pdf_key
from Medical_KG_rev.operations import BackupSource, GarbageCollector, RestoreTarget, back_up
from Medical_KG_rev.orchestration.ledger.database import HEAD
from Medical_KG_rev.orchestration.ledger.schema import artifacts, jobs, metadata, pdf_queue, workers
from Medical_KG_rev.orchestration.ledger.states import JobStatus
from Medical_KG_rev.storage import FilesystemObjectStore

NOW = 1_800_000_000.0
HOUR = 3600.0


def create_tables(engine: Engine) -> None:
    """The schema as migrations leave it."""
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


class Library:
    """A data folder whose parts are put together by hand."""

    def __init__(self, data_dir: Path, engine: Engine | None = None, store: Any = None) -> None:
        self.data_dir = data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        self.engine = engine or create_engine(f"sqlite:///{data_dir / 'ledger.db'}")
        create_tables(self.engine)
        self.store = store or FilesystemObjectStore(data_dir / "objects")

    @property
    def source(self) -> BackupSource:
        return BackupSource(self.data_dir, self.engine, self.store)

    def collector(self, **changes: Any) -> GarbageCollector:
        return GarbageCollector(self.data_dir, self.engine, self.store, **{"now": lambda: NOW, **changes})

    def put(self, key: str, content: bytes, *, age: float = 2 * HOUR) -> Path:
        """An object of that age."""
        self.store.put(key, content)
        path = self.data_dir / "objects" / key
        if path.is_file():
            os.utime(path, (NOW - age, NOW - age))
        return path

    def file(self, path: str, content: bytes = b"x", *, age: float = 2 * HOUR) -> Path:
        """A file of that age."""
        made = self.data_dir / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(content)
        os.utime(made, (NOW - age, NOW - age))
        return made

    def artifact(
        self, key: str, object_key: str, *, length: int = 10, stage: str = "parse", age: float = HOUR, **changes: Any
    ) -> None:
        row = {"tenant_id": "default", "key": key, "doc_id": "local:a", "stage": stage, "digest": "d", "counts": {}}
        place = {"object_key": object_key, "offset": 0, "length": length, "created_at": NOW - age}
        with self.engine.begin() as connection:
            connection.execute(insert(artifacts).values(**row, **place))

    def job(self, job_id: str, doc_id: str, *, status: JobStatus = JobStatus.COMPLETED, age: float = HOUR) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                insert(jobs).values(
                    job_id=job_id,
                    tenant_id="default",
                    submission_id="s1",
                    position=0,
                    source="local",
                    source_id=doc_id,
                    doc_id=doc_id,
                    pipeline_name="auto",
                    pipeline_version="1",
                    status=status,
                    idempotency_key=job_id,
                    created_at=NOW - age,
                    updated_at=NOW - age,
                )
            )

    def pdf(self, job_id: str, doc_id: str, sha256: str, *, named: bool = True, age: float = 2 * HOUR) -> Path:
        """A PDF of a document; ``named``: the job came to its gate with it."""
        key = pdf_key("default", doc_id, sha256)
        if named:
            row = {"source": "local", "source_id": doc_id, "stored": {}, "state": "done", "priority": 1, "submission_id": "s1"}
            counts = {"attempts": 1, "tries": 1, "losses": 0, "epoch": 1}
            times = {"not_before": NOW, "created_at": NOW, "updated_at": NOW}
            place = {"job_id": job_id, "tenant_id": "default", "doc_id": doc_id, "object_key": key, "sha256": sha256}
            with self.engine.begin() as connection:
                connection.execute(insert(pdf_queue).values(**place, **row, **counts, **times))
        return self.put(key, b"%PDF", age=age)

    def worker(self, token: str, lock: Path) -> None:
        with self.engine.begin() as connection:
            connection.execute(insert(workers).values(worker=token, pid=1, host="h", lock_path=str(lock), started_at=NOW))

    def populate(self) -> None:
        """Something in every part."""
        self.put("tenants/default/artifacts/r1/parse-1", b"0123456789")
        self.put("payloads/a.pdf", b"%PDF")
        self.artifact("k1", "tenants/default/artifacts/r1/parse-1")
        self.job("j1", "local:a")
        self.file("index/default-1/segments/1.faiss", b"vectors")
        self.file("index/default-1/segments/2.tmp", b"half")
        self.file("index/default-1/write.lock", b"")
        self.file("graph/default/graph.lbug", b"graph")
        self.file("graph/default/graph.next.lbug", b"half")
        self.file("events/events-00000001.jsonl", b'{"id": 1}\n')
        self.file("dagster/dagster.yaml", b"telemetry: {}\n")
        catalogue = create_engine(f"sqlite:///{self.data_dir / 'index' / 'default-1' / 'catalogue.db'}")
        with catalogue.begin() as connection:
            connection.execute(text("CREATE TABLE chunk (vid INTEGER)"))
        catalogue.dispose()

    def close(self) -> None:
        self.engine.dispose()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def make_library() -> type[Library]:
    """For a ledger or a store of another kind."""
    return Library


@pytest.fixture
def backup_of(tmp_path: Path) -> Callable[[Library], Path]:
    """Backs a library up."""

    def make(library: Library) -> Path:
        back_up(library.source, tmp_path / "backup", now=lambda: NOW)
        return tmp_path / "backup"

    return make


@pytest.fixture
def target(tmp_path: Path) -> RestoreTarget:
    """An empty place to restore to."""
    return RestoreTarget(tmp_path / "restored", FilesystemObjectStore(tmp_path / "restored" / "objects"))


@pytest.fixture
def static_models(models_dir: Path) -> Path:
    if not (models_dir / "static").is_dir():
        pytest.skip(f"the model `static` is not in {models_dir}; `medkg models fetch static` brings it")
    return models_dir


@pytest.fixture
def samples() -> Path:
    return Path(str(resources.files("Medical_KG_rev") / "samples" / "corpus"))


@pytest.fixture
def medkg(tmp_path: Path, static_models: Path) -> Medkg:
    """On an empty data folder."""
    return Medkg(tmp_path / "data", static_models)


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """400 invented records, each with words of its own."""
    path = tmp_path / "records.jsonl"
    lines = (
        f'{{"_id": "r{n}", "title": "Record {n}", "text": "Invented words about metformin and word{n}, number {n}."}}'
        for n in range(400)
    )
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
