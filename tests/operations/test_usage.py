"""What each part takes: every byte is counted once, and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from Medical_KG_rev.operations import measure
from Medical_KG_rev.operations.usage import folder_bytes
from Medical_KG_rev.orchestration.ledger.states import JobStatus

pytestmark = pytest.mark.component

DAY = 86400.0


def test_every_byte_is_in_one_part(library: Any, tmp_path: Path) -> None:
    library.put("tenants/default/artifacts/r1/parse-1", b"0123456789")
    library.put("tenants/default/artifacts/r1/chunk-1", b"01234")
    library.put("tenants/default/artifacts/r1/orphan", b"012")
    library.put("pdf/default/local:a/1.pdf", b"%PDF")
    library.artifact("k1", "tenants/default/artifacts/r1/parse-1", stage="parse", length=10)
    library.artifact("k2", "tenants/default/artifacts/r1/parse-1", stage="ir_validation", length=10)
    library.artifact("k3", "tenants/default/artifacts/r1/chunk-1", stage="chunk", length=5, age=3 * DAY)
    library.job("j1", "local:a")
    library.job("j2", "local:a", age=10 * DAY)
    library.job("j3", "local:b", age=3 * DAY)
    library.job("j4", "local:c", status=JobStatus.FAILED)
    library.file("index/a/1.faiss", b"1" * 100)
    library.file("dagster/runs.db", b"1" * 40)
    library.file("logs/worker.log", b"1" * 7)
    library.file("events/e.jsonl", b"1" * 9)
    models = tmp_path / "models"
    models.mkdir()
    (models / "m.onnx").write_bytes(b"1" * 1000)
    usage = measure(library.data_dir, library.engine, library.store, library.collector().now, models)
    sizes = {part.part: part.bytes for part in usage.parts}
    ledger = sizes.pop("ledger")
    assert sizes == {
        "objects chunk": 5,
        "objects parse": 10,
        "objects pdf": 4,
        "objects unreferenced": 3,
        "dagster": 40,
        "index": 100,
        "graph": 0,
        "events": 9,
        "models": 1000,
        "logs": 7,
    }
    assert usage.bytes == folder_bytes(library.data_dir) + 1000
    assert usage.documents == 2
    shares = {part.part: part.per_1000_documents for part in usage.parts}
    assert (shares["index"], shares["models"], shares["logs"]) == (50_000, None, None)
    assert usage.to_dict()["per_1000_documents"] == round((ledger + 5 + 10 + 4 + 3 + 40 + 100 + 9) * 1000 / 2)
    growth = {item.period: (item.documents, item.bytes) for item in usage.growth}
    assert growth == {"1d": (0, 10), "7d": (1, 15), "30d": (2, 15)}


def test_an_empty_folder_has_no_share_per_document(library: Any) -> None:
    usage = measure(library.data_dir, library.engine, library.store, library.collector().now)
    assert usage.documents == 0
    assert usage.to_dict()["per_1000_documents"] is None
    assert {part.per_1000_documents for part in usage.parts} == {None}
