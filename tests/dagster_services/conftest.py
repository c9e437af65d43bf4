"""The services layout for Dagster: ledger and history in one real PostgreSQL, objects and events in the data folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.orchestration.dagster.instance import POSTGRES_URL
from Medical_KG_rev.orchestration.ledger import Batch
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.settings import (
    DatabaseSettings,
    EmbeddingSettings,
    EventSettings,
    GraphSettings,
    IndexSettings,
    ObjectStoreSettings,
    Settings,
)
from Medical_KG_rev.text import ModelStore
from Medical_KG_rev.worker import execute

OpenParts = Callable[..., PlatformParts]


@pytest.fixture
def open_parts(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenParts]:
    """``open_parts(url)``: the parts of one process; closed afterwards."""
    monkeypatch.setenv("DAGSTER_HOME", "")  # open_instance sets both; the test's end takes them back
    monkeypatch.setenv(POSTGRES_URL, "")
    opened: list[PlatformParts] = []

    def make(url: str, **database: Any) -> PlatformParts:
        settings = make_settings(
            profile="services",
            embedding=EmbeddingSettings(model="static"),
            database=DatabaseSettings(url=SecretStr(url), **database),
            events=EventSettings(sink="log"),
            object_store=ObjectStoreSettings(kind="filesystem"),
            index=IndexSettings(kind="embedded"),
            graph=GraphSettings(kind="ladybug"),
        )
        if not all(model.installed for model in ModelStore(settings.model_root).list() if model.name == "static"):
            pytest.skip("the static model is not fetched; `medkg models fetch static` brings it")
        opened.append(PlatformParts(settings))
        return opened[-1]

    yield make
    for parts in opened:
        parts.close()


@pytest.fixture
def parts(open_parts: OpenParts, postgres_database: str) -> Iterator[PlatformParts]:
    opened = open_parts(postgres_database)
    yield opened
    opened.close()  # before the database is dropped


@pytest.fixture
def submit(clinicaltrials_api: Any) -> Callable[..., list[Batch]]:
    """``submit(parts, *ids)``: one queued batch for each study."""

    def queue(parts: PlatformParts, *ids: str) -> list[Batch]:
        batches = []
        for name in ids:
            clinicaltrials_api.add(name)
            request = AdapterRequest(source="clinicaltrials", ids=(name,))
            command = {
                "command": "ingest",
                "request": msgspec.to_builtins(request),
                "pipeline": "auto",
                "idempotency_key": None,
                "wait": False,
            }
            (document,) = execute(parts, command, lambda event: None)["documents"]
            batch_id = parts.ledger.job(document["job_id"]).batch_id
            assert batch_id is not None
            batches.append(parts.ledger.batch(batch_id))
        return batches

    return queue


@pytest.fixture
def run_leased() -> Callable[[PlatformParts, Batch], None]:
    """Leases a batch and runs it, as a warm worker does."""

    def run(parts: PlatformParts, batch: Batch) -> None:
        assert parts.ledger.queue.lease(parts.registration.token, 60, batch_ids=[batch.batch_id]) is not None
        parts.run_batch(parts.ledger.batch(batch.batch_id))

    return run
